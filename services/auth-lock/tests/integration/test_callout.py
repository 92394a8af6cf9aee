"""Who may connect, and what they may touch, on a real broker that asks auth-lock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiomqtt
import jwt
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.auth_lock.devices import AuthCallout
from pourline.auth_lock.handlers import devices, taps
from pourline.auth_lock.handlers.directory import Directory
from pourline.auth_lock.jobs import RevokedSweep
from pourline.auth_lock.store import staff
from pourline.contracts.taps import CreateTap, DeactivateSpout, RegisterSpout, RotateSpoutSecret
from pourline.kit.clock import SystemClock
from pourline.kit.db import Database
from pourline.kit.errors import TROUBLE
from pourline.kit.nats import Context, connect
from pourline.local import credentials
from pourline.local.access import SYSTEM, authorization
from pourline.local.credentials import Secrets
from pourline.local.paths import DataDir
from pourline.local.servers import NatsServer
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until

STAFF = Context(actor="anna", level=4)
WITHIN_S = 30.0


@dataclass(kw_only=True)
class Door:
    """A broker that lets in whom auth-lock knows: taps t1 and t2, and one spout."""

    server: NatsServer
    secrets: Secrets
    database: Database
    directory: Directory
    bus: Client
    tap_secrets: dict[str, str]
    spout_id: str
    spout_secret: str

    @asynccontextmanager
    async def enters(
        self, username: str | None, password: str | None, *, client_id: str | None = None
    ) -> AsyncIterator[aiomqtt.Client]:
        async with aiomqtt.Client(
            "127.0.0.1",
            self.server.mqtt_port,
            username=username,
            password=password,
            identifier=client_id if client_id is not None else username,
            timeout=WITHIN_S,
        ) as client:
            yield client

    async def refuses(
        self, username: str | None, password: str | None, *, client_id: str | None = None
    ) -> bool:
        try:
            async with self.enters(username, password, client_id=client_id):
                return False
        except aiomqtt.MqttCodeError:
            return True

    def tap(self, tap_id: str) -> tuple[str, str]:
        return f"tap-{tap_id}", self.tap_secrets[tap_id]

    def token(self, *, lasts_s: float = 600, key: str | None = None, **claims: object) -> str:
        expires_at = SystemClock().now() + timedelta(seconds=lasts_s)
        whole = {"sub": "anna", "level": 1, "iss": "pourline", "exp": int(expires_at.timestamp())}
        return jwt.encode(whole | claims, key or self.secrets.token_key, algorithm="HS256")

    async def says(self, topic: str, payload: bytes) -> None:
        """Say something as the bar itself."""
        await self.bus.publish(topic.replace("/", "."), payload)
        await self.bus.flush()

    async def revoke(self, key: str, version: int) -> None:
        async with self.database.transaction() as unit:
            expires_at = unit.clock.now() + timedelta(hours=1)
            await staff.revoke(unit, key=key, version=version, expires_at=expires_at)
        await self.directory.load()

    async def revoke_spout(self) -> None:
        async with self.database.transaction() as unit:
            order = DeactivateSpout(device_id=self.spout_id)
            await devices.deactivate_spout(order, unit, STAFF)
        await self.directory.load()


async def register(database: Database) -> tuple[dict[str, str], str, str]:
    secrets = {}
    async with database.transaction() as unit:
        for tap_id in ("t1", "t2"):
            order = CreateTap(id=tap_id, name=tap_id)
            secrets[tap_id] = (await taps.create_tap(order, unit, STAFF)).secret
        spout = await devices.register_spout(RegisterSpout(name="Gin", vendor="Berg"), unit, STAFF)
    return secrets, spout.id, spout.secret


@pytest.fixture
async def door(tmp_path: Path, fresh_database: FreshDatabase) -> AsyncIterator[Door]:
    data_dir = DataDir(tmp_path / "bar")
    secrets = credentials.load_or_make(data_dir)
    server = NatsServer(data_dir.nats, authorization=authorization(secrets))
    clock = SystemClock()
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    await database.open()
    tap_secrets, spout_id, spout_secret = await register(database)
    directory = Directory(database=database)
    await directory.load()
    await server.start()
    bus = await connect(url=url_of(server, secrets, "auth-lock"), name="auth-lock")
    callout = AuthCallout(
        bus=bus,
        directory=directory,
        seed=secrets.callout_seed,
        token_key=secrets.token_key,
        clock=clock,
    )
    await callout.start()
    await bus.flush()
    yield Door(
        server=server,
        secrets=secrets,
        database=database,
        directory=directory,
        bus=bus,
        tap_secrets=tap_secrets,
        spout_id=spout_id,
        spout_secret=spout_secret,
    )
    await bus.close()
    await server.stop()
    await database.close()


def url_of(server: NatsServer, secrets: Secrets, user: str) -> str:
    return server.url.replace("//", f"//{user}:{secrets.password('nats', user)}@")


async def heard(client: aiomqtt.Client, until_topic: str) -> list[str]:
    """Return the topics that arrive before `until_topic` does."""
    topics: list[str] = []
    async with asyncio.timeout(WITHIN_S):
        async for message in client.messages:
            if message.topic.value == until_topic:
                return topics
            topics.append(message.topic.value)
    raise AssertionError("the connection ended")


async def test_a_tap_enters_with_its_secret_and_its_own_client_id_only(door: Door) -> None:
    name, secret = door.tap("t1")
    async with door.enters(name, secret):
        pass

    assert await door.refuses(name, secret, client_id="tap-t2")
    assert await door.refuses(name, secret, client_id="anything")
    assert await door.refuses(name, door.tap_secrets["t2"])
    assert await door.refuses(name, "")
    assert await door.refuses(name, secret.upper() + " ")


async def test_nobody_else_enters(door: Door) -> None:
    assert await door.refuses(None, None, client_id="anonymous")
    assert await door.refuses("tap-t9", "secret")
    assert await door.refuses("spout-t1", door.tap_secrets["t1"])
    assert await door.refuses("nobody", "secret")
    assert await door.refuses("", "", client_id="tap-t1")


@pytest.mark.parametrize("user", ["tap-t1", "operator"])
async def test_a_devices_secret_and_a_token_open_no_door_but_mqtt(door: Door, user: str) -> None:
    password = door.token() if user == "operator" else door.tap_secrets["t1"]
    hello = {"user": user, "pass": password, "verbose": True}
    reader, writer = await asyncio.open_connection("127.0.0.1", door.server.port)
    await reader.readline()
    writer.write(b"CONNECT " + orjson.dumps(hello) + b"\r\n")
    async with asyncio.timeout(WITHIN_S):
        assert b"Authorization Violation" in await reader.readline()
    writer.close()


async def test_a_tap_hears_its_own_answers_and_nothing_of_another_tap(door: Door) -> None:
    async with door.enters(*door.tap("t1")) as tap:
        await tap.subscribe("bar/main/tap/t1/#", qos=1)
        for forbidden in ("bar/main/tap/t2/#", "bar/main/tap/+/state", "bar/#", "#"):
            await denied_to_subscribe(tap, forbidden)
        await door.says("bar/main/tap/t2/state", b"not yours")
        await door.says("bar/main/tap/t2/authorize/result", b"not yours")
        await door.says("bar/main/tap/t1/command", b"stop")
        await door.says("bar/main/tap/t1/state", b"last")

        assert await heard(tap, "bar/main/tap/t1/state") == ["bar/main/tap/t1/command"]


async def denied_to_subscribe(client: aiomqtt.Client, topic: str) -> None:
    """Ask for a topic; the broker grants nothing, by its answer or by silence on it."""
    try:
        granted = await client.subscribe(topic, qos=1)
    except aiomqtt.MqttError:
        return
    assert [str(code.value if hasattr(code, "value") else code) for code in granted] == ["128"]


async def test_a_tap_speaks_on_its_own_topics_and_is_not_heard_on_others(door: Door) -> None:
    bus = await connect(url=url_of(door.server, door.secrets, "console"), name="console")
    topics: list[str] = []
    said = asyncio.Event()

    async def listen(subject: str) -> None:
        topics.append(subject)
        if subject.startswith("bar.main.tap.t1.flow"):
            said.set()

    async def hear(message: Msg) -> None:
        await listen(message.subject)

    await bus.subscribe("bar.*.tap.*.flow", cb=hear)
    await bus.subscribe("bar.*.alerts.>", cb=hear)
    await bus.subscribe("evt.>", cb=hear)
    await bus.flush()
    async with door.enters(*door.tap("t1")) as tap:
        for topic in ("bar/main/tap/t2/flow", "bar/main/alerts/info/1", "evt/pour/accepted"):
            await tap.publish(topic, b"forged")
        await tap.publish("bar/main/tap/t1/flow", b"{}")
        async with asyncio.timeout(WITHIN_S):
            await said.wait()
    await bus.close()

    assert topics == ["bar.main.tap.t1.flow"]


async def test_staff_with_a_token_read_and_can_say_nothing(door: Door) -> None:
    async with door.enters("operator", door.token(), client_id="screen-1") as screen:
        for topic in ("alerts/#", "tap/+/flow", "tap/+/state", "tap/+/status"):
            await screen.subscribe(f"bar/main/{topic}", qos=1)
        for forbidden in ("bar/main/tap/+/authorize/result", "bar/main/spout/+/pour", "bar/#", "#"):
            await denied_to_subscribe(screen, forbidden)
        await screen.publish("bar/main/tap/t1/flow", b"forged")
        await screen.publish("bar/main/alerts/info/1", b"forged")
        async with door.enters(*door.tap("t1")) as tap:
            await tap.publish("bar/main/tap/t1/flow", b"{}", qos=1)
            await tap.publish("bar/main/tap/t1/authorize", b"{}", qos=1)
        await door.says("bar/main/tap/t1/state", b"{}")

        assert await heard(screen, "bar/main/tap/t1/state") == ["bar/main/tap/t1/flow"]


async def test_an_expired_or_forged_token_is_refused(door: Door) -> None:
    unsigned = jwt.encode({"sub": "anna", "level": 5, "iss": "pourline"}, "", algorithm="none")
    for token in (
        door.token(lasts_s=-5),
        door.token(key="another key that is long enough to sign"),
        door.token(iss="somebody"),
        door.token(exp=None),
        unsigned,
        "",
    ):
        assert await door.refuses("operator", token, client_id="screen")


async def test_a_spout_enters_with_its_secret_and_speaks_on_its_own_topics(door: Door) -> None:
    name = f"spout-{door.spout_id}"
    async with door.enters(name, door.spout_secret) as spout:
        own = f"bar/main/spout/{door.spout_id}"
        await spout.subscribe(f"{own}/pour/result", qos=1)
        await denied_to_subscribe(spout, "bar/main/tap/t1/#")

    assert await door.refuses(name, door.spout_secret, client_id="tap-t1")
    assert await door.refuses(name, door.tap_secrets["t1"])


async def test_a_rotated_spout_enters_with_both_secrets(door: Door) -> None:
    async with door.database.transaction() as unit:
        order = RotateSpoutSecret(device_id=door.spout_id)
        fresh = (await devices.rotate_spout_secret(order, unit, STAFF)).secret
    await door.directory.load()

    for secret in (fresh, door.spout_secret):
        async with door.enters(f"spout-{door.spout_id}", secret):
            pass


async def test_a_revoked_spout_is_refused_at_once_and_disconnected_by_the_sweep(door: Door) -> None:
    name, topic = f"spout-{door.spout_id}", f"bar/main/spout/{door.spout_id}/pour"
    system = await connect(url=url_of(door.server, door.secrets, SYSTEM), name="system")
    sweep = RevokedSweep(system=system, directory=door.directory)
    async with door.enters(*door.tap("t1")) as tap, AsyncExitStack() as stack:
        spout = await stack.enter_async_context(door.enters(name, door.spout_secret))
        await sweep()
        await spout.publish(topic, b"{}", qos=1)
        await door.revoke_spout()
        refused = await door.refuses(name, door.spout_secret)
        await sweep()
        with pytest.raises(aiomqtt.MqttError):
            await asyncio.wait_for(anext(aiter(spout.messages)), WITHIN_S)
        stack.pop_all()  # there is nothing left to close
        await tap.publish("bar/main/tap/t1/flow", b"still here", qos=1)
    await system.close()

    assert refused


async def test_a_revoked_token_is_refused_and_its_screen_disconnected(door: Door) -> None:
    system = await connect(url=url_of(door.server, door.secrets, SYSTEM), name="system")
    sweep = RevokedSweep(system=system, directory=door.directory)
    lost = door.token(jti="lost", staff="anna", ver=1)
    others = [door.token(jti="other", staff="anna", ver=2), door.token()]
    async with AsyncExitStack() as stack:
        screens = [
            await stack.enter_async_context(door.enters("operator", token, client_id=f"s{number}"))
            for number, token in enumerate(others)
        ]
        screen = await stack.enter_async_context(door.enters("operator", lost, client_id="screen"))
        await sweep()
        await screen.subscribe("bar/main/alerts/#", qos=1)
        await door.revoke("token:lost", 1)
        refused = await door.refuses("operator", lost, client_id="screen-2")
        await sweep()
        with pytest.raises(aiomqtt.MqttError):
            await asyncio.wait_for(anext(aiter(screen.messages)), WITHIN_S)
        for other in screens:
            await other.subscribe("bar/main/alerts/#", qos=1)
        await door.revoke("staff:anna", 3)
        assert await door.refuses("operator", others[0], client_id="screen-3")
        assert not await door.refuses("operator", others[1], client_id="screen-4")
        await sweep()
        with pytest.raises(aiomqtt.MqttError):
            await asyncio.wait_for(anext(aiter(screens[0].messages)), WITHIN_S)
        await screens[1].subscribe("bar/main/tap/+/state", qos=1)
        stack.pop_all()  # two are closed, and the last one goes with its broker
    await system.close()

    assert refused


async def test_devices_enter_while_the_database_is_down(door: Door) -> None:
    await door.database.close()

    async def fails_to_load() -> bool:
        try:
            await door.directory.load()
        except TROUBLE:
            return True
        return False

    await until(fails_to_load)
    async with door.enters(*door.tap("t1")):
        pass
    async with door.enters("operator", door.token(), client_id="screen"):
        pass
    assert await door.refuses("tap-t1", "wrong")
