"""No secret is told: not in logs, errors, traces, records or command lines, whatever goes wrong."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import aiomqtt
import httpx
import psycopg
import pytest
from pourline.console.pages.guest_keys import GuestKeys
from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.kit.ids import new_id
from pourline.kit.settings import ServiceSettings
from pourline.local import credentials
from pourline.local.access import OPERATOR, SYSTEM
from pourline.local.bar import own_postgres
from pourline.local.credentials import Secrets
from pourline.local.environment import WITH_DATABASE, Surroundings, snake
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir
from pourline.local.servers.postgres import SUPERUSER
from pourline.local.strength import require_strong
from pourline.testkit.attacks import PLANTED, at_tap, connected, pours
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.until import until

PASSWORD = "planted-password-5ec2e7"
WRONG = "planted-wrong-5ec2e7"
PIN = "83640927"


@contextlib.contextmanager
def a_collector() -> Iterator[tuple[str, list[bytes]]]:
    """Take every trace; yield the address and what came."""
    came: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


def of_the_house(secrets: Secrets) -> dict[str, str]:
    """Return every secret that a bar makes for itself."""
    users = (*SERVICES, BRIDGE, OPERATOR, SYSTEM)
    roles = (SUPERUSER, *(snake(one) for one in WITH_DATABASE))
    return {
        "master key": secrets.master_key,
        "token key": secrets.token_key,
        "callout seed": secrets.callout_seed,
        **{f"bus password of {one}": secrets.password("nats", one) for one in users},
        **{f"database password of {one}": secrets.password("postgres", one) for one in roles},
        **{
            f"database password of {one}'s owner": secrets.password("postgres", f"{one}_owner")
            for one in roles[1:]
        },
    }


class Trouble:
    """Makes everything go wrong that can, with secrets in hand; keeps what was answered."""

    def __init__(self, bar: RunningBar) -> None:
        self.bar = bar
        self.planted: dict[str, str] = {name: PLANTED[name] for name in PLANTED if "SECRET" in name}
        self.planted |= {"SMTP_PASSWORD": PLANTED["SMTP_PASSWORD"], "hook": "hook-5ec2e7-0003"}
        self.said: list[str] = []

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 httpx's own
        answer = await self.bar.ask(method, path, **options)
        if not answer.is_success:
            self.said.append(f"{answer.headers} {answer.text}")
        return answer

    async def people(self) -> None:
        """Log in rightly and wrongly, by password, by PIN, with good and broken tokens."""
        name = f"s{new_id()}"
        hired = await self.bar.post("/api/staff", username=name, password=PASSWORD, level=4)
        await self.bar.post(f"/api/staff/{hired['id']}/pin", pin=PIN)
        self.planted |= {"password": PASSWORD, "wrong password": WRONG, "PIN": PIN}
        good = {"username": name, "password": PASSWORD}
        token = (await self.bar.post("/api/auth/login", **good))["token"]
        self.planted["token"] = token.split(".")[2]
        by_pin = await self.bar.post("/api/auth/pin", username=name, pin=PIN)
        self.planted["token by PIN"] = by_pin["token"].split(".")[2]
        for body in (good | {"password": WRONG}, {"password": PASSWORD}, good | {"username": 1}):
            await self.ask("POST", "/api/auth/login", json=body)
        await self.ask("POST", "/api/auth/pin", json={"username": name, "pin": PIN + "0"})
        await self.ask("POST", "/api/auth/login", content=json.dumps(good)[:-3])
        await self.ask("GET", "/api/taps", headers={"Authorization": f"Bearer {token}x"})
        await self.ask("GET", f"/api/taps/{token}")
        await self.ask("GET", "/nowhere", params={"token": token})
        async with httpx.AsyncClient(base_url=self.bar.base_url, timeout=30) as web:
            for password in (WRONG, PASSWORD):
                await web.post("/login", data={"username": name, "password": password})
            self.planted["cookie"] = web.cookies["pourline_page"].split(".")[2]
        await self.ask("POST", "/api/auth/logout", headers={"Authorization": f"Bearer {token}"})

    async def devices(self) -> None:
        """Let devices in and keep them out, sign rightly and wrongly, fill the dead letters."""
        seat = await self.bar.seat_tap()
        guest = await self.bar.seat_guest()
        spout = await self.bar.post("/hardware/spout/devices", name="S", vendor="SANDBOX")
        newer = await self.bar.post(f"/hardware/spout/devices/{spout['id']}/rotate-secret")
        self.planted |= {"tap": seat.secret, "spout": spout["secret"], "rotated": newer["secret"]}
        for secret in (WRONG, seat.secret[:-1]):
            with contextlib.suppress(aiomqtt.MqttError):
                async with connected(self.bar, f"tap-{seat.tap_id}", secret):
                    pass
        with contextlib.suppress(aiomqtt.MqttError):
            async with connected(self.bar, "operator", seat.secret, client_id="x"):
                pass
        async with at_tap(self.bar, seat) as tap:
            assert (await pours(tap, seat, guest.visit_id))["status"] == "accepted"
            root = f"bar/main/tap/{seat.tap_id}"
            for name in ("pour", "status", "authorize"):
                await tap.client.publish(f"{root}/{name}", b"{broken", qos=1)
        body = {"deviceId": spout["id"], "pulses": 1, "eventId": "e"}
        for signature in (WRONG, newer["secret"], ""):
            headers = {"X-Spout-Signature": signature}
            await self.ask("POST", "/hardware/spout/ingest", json=body, headers=headers)
        key = GuestKeys(token_key=credentials.load_or_make(DataDir(self.bar.data_dir)).token_key)
        self.planted["guest key"] = key.key_of(guest.visit_id)
        async with httpx.AsyncClient(base_url=self.bar.base_url, timeout=30) as web:
            assert (await web.get(f"/g/{self.planted['guest key']}")).status_code == 200
            await web.get(f"/g/{self.planted['guest key']}x")

    async def timetable(self) -> None:
        """Ask with the right secret and with wrong ones, in the address and beside it."""
        path, secret = "/api/cron/inventory-monitor", PLANTED["CRON_SECRET"]
        async with httpx.AsyncClient(base_url=self.bar.base_url, timeout=30) as web:
            for token in (secret, secret + "x", WRONG):
                await web.get(path, params={"token": token})
                await web.post(path, params={"token": token})
            await web.get(path, headers={"Authorization": f"Bearer {secret}x"})

    async def servers(self) -> None:
        """Let mail and point of sale fail, then take broker and database away."""
        item = await self.bar.post("/api/items", name="Rum", unit="each", low_stock_threshold=5)
        await self.bar.post("/api/stock/receipts", item_id=item["id"], quantity=6)
        await self.ask("PUT", "/api/config/pos_adapter", json={"value": "webhook"})
        await self.bar.post(f"/api/inventory/{item['id']}/adjust", delta=-2, reason="broken")
        guest = await self.bar.seat_guest()

        async def failing() -> list[object]:
            mails: list[object] = (await self.bar.get("/api/notifications"))["items"]
            return [one for one in mails if "error_details" in str(one)]

        await until(failing, bool)
        for server in ("nats-server", "postgres"):
            self.bar.process_of(server).kill()
            for _ in range(3):
                with contextlib.suppress(httpx.TransportError):
                    await self.ask("GET", f"/api/guests/{guest.guest_id}")
            await self.bar.ready()


def dead_letters(bar: RunningBar) -> Iterator[str]:
    """Yield every dead letter of every service, whole."""
    data_dir = DataDir(bar.data_dir)
    facts = data_dir.facts()
    assert facts is not None
    assert facts.postgres_port is not None
    server = own_postgres(data_dir, credentials.load_or_make(data_dir), port=facts.postgres_port)
    for service in WITH_DATABASE:
        with psycopg.connect(server.url(snake(service))) as connection:
            for row in connection.execute("SELECT * FROM dead_letter LIMIT 1000"):
                yield str(row)


async def everything_told(bar: RunningBar, trouble: Trouble, traces: list[bytes]) -> dict[str, str]:
    """Return every text that somebody other than the secret's owner may read."""
    told = {
        path.name: path.read_text(errors="replace") for path in (bar.data_dir / "log").iterdir()
    }
    told["answers"] = "\n".join(trouble.said)
    told["traces"] = b"\n".join(traces).decode("utf-8", "replace")
    told["letters"] = (await bar.run("dlq", "list"))[1] + "\n".join(dead_letters(bar))
    for path in ("audit", "alerts", "notifications", "pos/events", "config"):
        told[path] = (await bar.ask("GET", f"/api/{path}", params={"limit": "1000"})).text
    told["command lines"] = "\n".join(" ".join(one.cmdline()) for one in bar.processes())
    return told


@pytest.mark.security
async def test_no_planted_secret_is_told_anywhere_whatever_goes_wrong(tmp_path: Path) -> None:
    with a_collector() as (address, traces):
        environment = PLANTED | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "POS_WEBHOOK_URL": f"{address}/planted-hook-5ec2e7-0003",
            "LOG_LEVEL": "DEBUG",
        }
        async with run_bar(tmp_path, environment) as bar:
            trouble = Trouble(bar)
            await trouble.people()
            await trouble.devices()
            await trouble.timetable()
            await trouble.servers()
            await until(lambda: asyncio.sleep(0, len(traces)), lambda count: count > 3)
            told = await everything_told(bar, trouble, traces)
            secrets = credentials.load_or_make(DataDir(tmp_path))

    planted = trouble.planted | of_the_house(secrets)
    found = [
        (what, where) for what, text in planted.items() for where in told if text in told[where]
    ]
    assert found == []
    places = ("answers", "traces", "letters", "audit", "config", "console.log", "command lines")
    assert [one for one in places if not told[one]] == [], "every place was looked at"
    assert "connection_refused" in told["auth-lock.log"], "the search finds what is there"


@pytest.mark.parametrize("service", [*SERVICES, BRIDGE])
def test_settings_show_no_secret_when_they_are_printed(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = __import__(f"pourline.{snake(service)}.settings", fromlist=["Settings"])
    settings: type[ServiceSettings] = module.Settings
    hidden = ("url", "secret", "password", "seed", "_key")
    open_ones = {"otel_exporter_otlp_endpoint"}
    for name in settings.model_fields:
        if name.endswith(hidden) or name == "notify_urls":
            monkeypatch.setenv(name.upper(), "planted-in-settings")
        assert name not in open_ones or settings.model_fields[name].repr

    assert "planted-in-settings" not in repr(settings())


def test_what_the_command_line_holds_shows_no_secret_when_it_is_printed(tmp_path: Path) -> None:
    secrets = credentials.load_or_make(DataDir(tmp_path))
    around = Surroundings(environ=dict(PLANTED), secrets=secrets, facts=None)

    shown = repr(around) + repr(secrets)

    hidden = [PLANTED["SMTP_PASSWORD"], secrets.master_key, secrets.token_key, secrets.callout_seed]
    assert [one for one in hidden if one in shown] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_KEY", "changeme"),
        ("TOKEN_KEY", "a" * 64),
        ("TOKEN_KEY", "thirty-one characters, not more"),
        ("CRON_SECRET", "replace me"),
        ("CRON_SECRET", "change-me"),
        ("CRON_SECRET", "password"),
        ("POS_WEBHOOK_SECRET", "whsec_"),
        ("AUTH_CALLOUT_SEED", "SAAAAAAA"),
    ],
)
def test_a_secret_that_anybody_guesses_is_refused_without_its_text(name: str, value: str) -> None:
    with pytest.raises(MisuseError, match=name) as refused:
        require_strong({name: value})

    assert value not in str(refused.value)


def test_secrets_made_by_chance_are_taken() -> None:
    require_strong(PLANTED | {"TOKEN_KEY": "0f" * 4 + "1a2b3c4d5e6f708192a3b4c5"})


async def test_no_bar_starts_with_a_placeholder_and_says_so_in_a_line(tmp_path: Path) -> None:
    for command in (("up",), ("serve", "console")):
        bar = RunningBar(tmp_path, {"CRON_SECRET": "changeme"})

        code, said = await bar.run(*command)

        assert code == 2
        [line] = said.splitlines()
        assert line.startswith("pourline: CRON_SECRET is a placeholder")
