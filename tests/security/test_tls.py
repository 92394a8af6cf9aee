"""A bar with TLS everywhere: who comes in, who does not, and how a certificate is renewed."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import httpx
import nats.errors
import psutil
import pytest
from cryptography import x509
from pourline.kit.nats import connect
from pourline.kit.trust import Trust
from pourline.local import authority
from pourline.local.authority import SIGNED_FOR, Authority
from pourline.local.errors import CommandError
from pourline.local.servers import NatsServer
from pourline.local.tls import Listeners, listeners
from pourline.testkit.bar import RunningBar, TapSeat, run_bar
from pourline.testkit.ending import end
from pourline.testkit.until import until
from pourline.upkeep.mqtt import MqttLink

pytestmark = [
    pytest.mark.security,
    # paho and asyncio leave the socket of a refused handshake to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WITHIN_S = 30.0
ENTERS_WITHIN_S = 5.0
HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, kw_only=True)
class Papers:
    """An authority in a folder, with what it signed."""

    folder: Path
    authority: Authority

    @classmethod
    def of(cls, folder: Path, *clients: str) -> "Papers":
        made = cls(folder=folder, authority=authority.load_or_make(folder))
        made.authority.sign(folder, "server", hosts=HOSTS)
        for client in clients:
            made.authority.sign(folder, client)
        return made

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def trust(self, client: str | None) -> Trust:
        """Return what a client has that trusts us; without a certificate where none is named."""
        if client is None:
            return Trust(ca_file=self.path("ca.pem"))
        pair = self.path(f"{client}.pem"), self.path(f"{client}.key")
        return Trust(ca_file=self.path("ca.pem"), cert_file=pair[0], key_file=pair[1])

    def environment(self, verify: str) -> dict[str, str]:
        return {
            "TLS_CERT_FILE": self.path("server.pem"),
            "TLS_KEY_FILE": self.path("server.key"),
            "TLS_CA_FILE": self.path("ca.pem"),
            "TLS_CLIENT_CERT_FILE": self.path("services.pem"),
            "TLS_CLIENT_KEY_FILE": self.path("services.key"),
            "TLS_VERIFY_CLIENTS": verify,
        }


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers.of(tmp_path / "ca", "services", "devices")


@contextlib.asynccontextmanager
async def tap(
    bar: RunningBar, seat: TapSeat, trust: Trust | None, *, within_s: float = WITHIN_S
) -> AsyncIterator[aiomqtt.Client]:
    """Connect as the tap's device; `trust` is None for a connection in the open."""
    name = f"tap-{seat.tap_id}"
    parts = urlsplit(bar.mqtt_url)
    async with aiomqtt.Client(
        "127.0.0.1",
        parts.port or 0,
        username=name,
        password=seat.secret,
        identifier=name,
        timeout=within_s,
        tls_context=trust.context() if trust else None,
    ) as client:
        yield client


async def enters(bar: RunningBar, seat: TapSeat, trust: Trust | None) -> bool:
    """Return whether the device stands on the broker: TLS 1.3 refuses after the handshake.

    The client does not tell a line that was hung up on from one that is silent, and waits.
    """
    try:
        async with tap(bar, seat, trust, within_s=ENTERS_WITHIN_S) as client:
            await client.subscribe(f"bar/main/tap/{seat.tap_id}/state", qos=1)
    except aiomqtt.MqttError:
        return False
    return True


async def poured(bar: RunningBar, seat: TapSeat, trust: Trust) -> str:
    """Let a guest pour; return what the tap was answered."""
    guest = await bar.seat_guest()
    root = f"bar/main/tap/{seat.tap_id}"
    said = {
        "client_tx_id": f"tx-{guest.visit_id}",
        "short_id": "000001",
        "visit_id": guest.visit_id,
        "volume_ml": 300,
        "duration_ms": 5000,
        "age_ms": 0,
    }
    async with tap(bar, seat, trust) as device, asyncio.timeout(WITHIN_S):
        await device.subscribe(f"{root}/pour/result", qos=1)
        await device.publish(f"{root}/pour", json.dumps(said), qos=1)
        async for message in device.messages:
            assert isinstance(message.payload, bytes)
            return str(json.loads(message.payload)["status"])
    raise AssertionError("no answer")


async def reads(bar: RunningBar, trust: Trust) -> bool:
    """Return whether the console answers who trusts like this."""
    try:
        async with httpx.AsyncClient(verify=trust.context(), timeout=30) as web:
            return (await web.get(f"{bar.base_url}/health/live")).status_code == 200
    except httpx.TransportError:
        return False


async def shown(url: str, trust: Trust) -> int:
    """Return the serial number of the certificate that a TLS listener shows."""
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=trust.context())
    try:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return x509.load_der_x509_certificate(certificate).serial_number


async def test_a_pour_travels_a_bar_with_tls_and_client_certificates_everywhere(
    tmp_path: Path, papers: Papers
) -> None:
    stranger = Papers.of(tmp_path / "foreign", "devices")
    foreign = Trust(
        ca_file=papers.path("ca.pem"),
        cert_file=stranger.path("devices.pem"),
        key_file=stranger.path("devices.key"),
    )
    long_ago = datetime.now(UTC) - SIGNED_FOR - timedelta(days=1)
    papers.authority.sign(papers.folder, "expired", now=long_ago)
    ours = papers.trust("devices")
    environment = papers.environment("true")
    async with run_bar(tmp_path / "bar", environment, trust=ours) as bar:
        seat = await bar.seat_tap()

        schemes = [urlsplit(one).scheme for one in (bar.base_url, bar.mqtt_url, bar.nats_url)]
        assert schemes == ["https", "mqtts", "tls"]
        assert await poured(bar, seat, ours) == "accepted"
        await until(partial(enters, bar, seat, ours))
        for kept_out in (None, papers.trust(None), foreign, papers.trust("expired")):
            assert not await enters(bar, seat, kept_out), kept_out
            assert kept_out is None or not await reads(bar, kept_out), kept_out
            with pytest.raises((OSError, nats.errors.Error)):
                await connect(
                    url=bar.nats_url,
                    name="stranger",
                    wait_for_server=False,
                    trust=kept_out or Trust(),
                )
        with pytest.raises(ssl.SSLError):
            await shown(bar.base_url, stranger.trust("devices"))
        with pytest.raises((httpx.TransportError, httpx.RemoteProtocolError)):
            async with httpx.AsyncClient(timeout=30) as web:
                await web.get(bar.base_url.replace("https", "http") + "/health/live")
        code, told = await bar.run("simulate", "--pours", "3", "--taps", "1", "--guests", "2")
        assert code == 0, told
        assert (await bar.run("dlq", "list"))[0] == 0
        assert "invariants hold" in await bar.verified()


async def test_a_renewed_certificate_is_shown_after_sighup_and_connections_stand(
    tmp_path: Path, papers: Papers
) -> None:
    ours = papers.trust("devices")
    async with run_bar(tmp_path / "bar", papers.environment("mqtt,nats"), trust=ours) as bar:
        seat = await bar.seat_tap()
        assert await reads(bar, papers.trust(None)), "browsers need no certificate"
        before = await shown(bar.mqtt_url, ours)
        lives = bar.lives()

        papers.authority.sign(papers.folder, "server", hosts=HOSTS)
        bar.hang_up()

        renewed = x509.load_pem_x509_certificate((papers.folder / "server.pem").read_bytes())
        assert renewed.serial_number != before
        for url in (bar.base_url, bar.mqtt_url):
            await until(partial(shown, url, ours), renewed.serial_number.__eq__)
        assert await poured(bar, seat, ours) == "accepted"
        assert bar.lives() == lives, "nothing was started anew"

        # The bar's own parts take it too, when next they connect.
        broker = bar.process_of("nats-server")
        broker.kill()
        psutil.wait_procs([broker], timeout=WITHIN_S)
        await bar.ready()
        assert await poured(bar, seat, ours) == "accepted"


async def test_a_server_with_an_expired_certificate_is_not_believed(
    tmp_path: Path, papers: Papers
) -> None:
    long_ago = datetime.now(UTC) - SIGNED_FOR - timedelta(days=1)
    papers.authority.sign(papers.folder, "server", hosts=HOSTS, now=long_ago)
    bar = RunningBar(tmp_path / "bar", papers.environment(""))

    with pytest.raises(AssertionError, match="did not start"):
        await bar.start()

    assert await bar.stop() == 69
    listening = listeners(papers.environment("") | {"TLS_CERT_FILE": "", "TLS_KEY_FILE": ""})
    assert listening is None
    tls = Listeners(
        certificate=Path(papers.path("server.pem")),
        key=Path(papers.path("server.key")),
        ca_file=None,
        verified=frozenset(),
    )
    server = NatsServer(tmp_path / "nats", tls=tls)
    await server.start()
    try:
        for trust in (papers.trust(None), Trust(own_file=papers.path("server.pem"))):
            with pytest.raises((ssl.SSLError, nats.errors.Error)):
                await connect(url=server.url, name="a", wait_for_server=False, trust=trust)
            with pytest.raises(ssl.SSLError):
                await shown(server.mqtt_url, trust)
            link = MqttLink(url=server.mqtt_url, client_id="service-a", trust=trust)
            running = asyncio.create_task(link.run())
            await asyncio.wait([running], timeout=1.0)
            assert not link.connected
            await end(running)
    finally:
        await server.stop()


async def test_who_is_told_tls_says_nothing_to_a_server_that_says_otherwise(
    tmp_path: Path,
) -> None:
    server = NatsServer(tmp_path / "nats", mqtt=None)
    await server.start()
    try:
        with pytest.raises(nats.errors.SecureConnRequiredError):
            await connect(
                url=server.url.replace("nats://", "tls://user:secret@"),
                name="a",
                wait_for_server=False,
            )
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"TLS_CERT_FILE": "server.pem"}, "belong together"),
        ({"TLS_CLIENT_CERT_FILE": "services.pem"}, "belong together"),
        ({"TLS_VERIFY_CLIENTS": "true"}, "needs TLS_CERT_FILE"),
        ({"TLS_VERIFY_CLIENTS": "mtqq"}, "some of http, mqtt, nats"),
        ({"TLS_CERT_FILE": "server.pem", "TLS_KEY_FILE": "services.key"}, "are no pair"),
        ({"TLS_CERT_FILE": "server.pem", "TLS_KEY_FILE": "nowhere.key"}, "no such file"),
    ],
)
def test_settings_that_contradict_themselves_are_refused_with_a_line(
    papers: Papers, named: dict[str, str], why: str
) -> None:
    full = {n: papers.path(v) if n.endswith("_FILE") else v for n, v in named.items()}

    with pytest.raises(CommandError, match=why):
        listeners(full)


async def test_a_certificate_that_names_only_the_outside_serves_the_bars_own_parts(
    tmp_path: Path, papers: Papers
) -> None:
    papers.authority.sign(papers.folder, "server", hosts=("bar.example.org",))
    pair = {one: papers.environment("")[one] for one in ("TLS_CERT_FILE", "TLS_KEY_FILE")}
    async with run_bar(tmp_path / "bar", pair) as bar:
        seat = await bar.seat_tap()
        pinned = Trust(own_file=papers.path("server.pem"))

        assert await poured(bar, seat, pinned) == "accepted"
        assert not await enters(bar, seat, papers.trust(None)), "it is not that host"
