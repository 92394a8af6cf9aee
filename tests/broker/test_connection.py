"""The bridge's own connection to a broker: whose acknowledgement, which session, what TLS."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import aiomqtt
import pytest
from pourline.kit.trust import Trust
from pourline.mqtt_bridge.devices import Address, ForeignBroker, Hooks, client, foreign
from pourline.mqtt_bridge.devices.foreign import STOOD_STILL_S
from pourline.mqtt_bridge.handlers import Received
from pourline.testkit.ending import end
from pourline.testkit.entering import entered
from pourline.testkit.mosquitto import Mosquitto
from pourline.testkit.until import until

pytestmark = pytest.mark.broker

TEMPLATE = Path(__file__).parents[2] / "infra" / "mosquitto"
POUR = "bar/main/tap/3/pour"


class Side:
    """A connection and all that it was given; nothing is acknowledged by itself."""

    def __init__(self, broker: Mosquitto, version: str) -> None:
        self.given: list[Received] = []
        self.sessions: list[bool] = []
        self.foreign = ForeignBroker(
            Address.parse(
                broker.bridge_url, client_id="mqtt-bridge", version=version, trust=Trust()
            )
        )

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        hooks = Hooks(received=self.given.append, connected=self.sessions.append, lost=lambda: None)
        running = asyncio.create_task(self.foreign.run(hooks))
        try:
            yield
        finally:
            await end(running)

    async def payloads(self) -> list[bytes]:
        return [message.payload for message in self.given]

    async def connects(self) -> int:
        return len(self.sessions)


@pytest.fixture(params=["5", "3.1.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def unshaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No standstill of the machine ends a connection: only the test does."""
    monkeypatch.setattr(foreign, "STOOD_STILL_S", 3600.0)
    monkeypatch.setattr(foreign, "CONNECT_WITHIN_S", 3600.0)
    monkeypatch.setattr(client, "KEEPALIVE_S", 3600)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(tmp_path / "mosquitto", template=TEMPLATE)
    await broker.start()
    await broker.admit_tap("3", "secret")
    try:
        yield broker
    finally:
        await broker.kill()


async def says(broker: Mosquitto, *payloads: bytes, name: str = "pour") -> None:
    new_client = partial(
        aiomqtt.Client,
        "127.0.0.1",
        broker.port,
        username="tap-3",
        password="secret",
        identifier="tap-3",
    )
    async with entered(new_client) as tap:
        for payload in payloads:
            await tap.publish(f"bar/main/tap/3/{name}", payload, qos=1)


@pytest.mark.usefixtures("unshaken")
async def test_what_was_not_acknowledged_is_given_again_after_a_reconnect(
    broker: Mosquitto, version: str
) -> None:
    side = Side(broker, version)
    async with side.connected():
        await until(side.connects)
        await says(broker, b"1", b"2", b"3")
        await until(side.payloads, lambda all_: all_ == [b"1", b"2", b"3"])
        side.foreign.acknowledge(side.given[:1])
        side.foreign.give_again()

        await until(side.payloads, lambda all_: all_ == [b"1", b"2", b"3", b"2", b"3"])

    assert side.sessions == [False, True]
    assert [message.epoch for message in side.given] == [1, 1, 1, 2, 2]


@pytest.mark.usefixtures("unshaken")
async def test_an_acknowledgement_of_an_earlier_connection_confirms_nothing(
    broker: Mosquitto, version: str
) -> None:
    side = Side(broker, version)
    async with side.connected():
        await until(side.connects)
        await says(broker, b"old")
        await until(side.payloads)
        await broker.kill()
        broker.wipe()
        await broker.start()
        await until(side.connects, lambda times: times == 2)
        await says(broker, b"new")
        await until(side.payloads, lambda all_: all_ == [b"old", b"new"])
        old, new = side.given

        side.foreign.acknowledge([old])
        side.foreign.give_again()

        await until(side.payloads, lambda all_: all_ == [b"old", b"new", b"new"])
    assert old.mid == new.mid  # it is the number that a careless client would confirm


@pytest.mark.usefixtures("unshaken")
async def test_pours_said_while_the_bridge_is_away_wait_and_questions_do_not(
    broker: Mosquitto, version: str
) -> None:
    before, after = Side(broker, version), Side(broker, version)
    async with before.connected():
        await until(before.connects)
        await says(broker, b"heard", name="status")
        await until(before.payloads)
        before.foreign.acknowledge(before.given)
    await says(broker, b"card", name="authorize")
    await says(broker, b"pour")
    async with after.connected():
        await until(after.payloads)
        await says(broker, b"last")
        await until(after.payloads, lambda all_: b"last" in all_)

    assert await after.payloads() == [b"pour", b"last"]


async def test_what_came_while_the_process_stood_still_is_not_read_but_given_again(
    broker: Mosquitto, version: str
) -> None:
    async def said_meanwhile() -> None:
        await says(broker, b"card", name="authorize")
        await says(broker, b"pour")

    side = Side(broker, version)
    async with side.connected():
        await until(side.connects)
        await says(broker, b"heard")
        await until(side.payloads)
        side.foreign.acknowledge(side.given)
        before = await side.connects()
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, said_meanwhile()).result()
        time.sleep(STOOD_STILL_S)  # noqa: ASYNC251 - the standstill itself

        await until(side.payloads, lambda all_: b"pour" in all_)
        await says(broker, b"last")
        await until(side.payloads, lambda all_: b"last" in all_)

    # By itself the machine may stand still once more: then there is one connection more, and
    # what was not acknowledged is given once more on it, but never twice on one.
    given = [(message.payload, message.epoch) for message in side.given]
    assert len(given) == len(set(given))
    if await side.connects() == before + 1:
        assert given == [(b"heard", before), (b"pour", before + 1), (b"last", before + 1)]
    assert set(await side.payloads()) == {b"heard", b"pour", b"last"}
    assert min(message.epoch for message in side.given if message.payload == b"pour") > before


async def test_a_wrong_password_is_said_and_tried_again(broker: Mosquitto, version: str) -> None:
    side = Side(broker, version)
    side.foreign = ForeignBroker(
        Address.parse(
            broker.url.replace("//", "//mqtt-bridge:guess@"),
            client_id="mqtt-bridge",
            version=version,
            trust=Trust(),
        )
    )

    async def refusal() -> str:
        return side.foreign.refusal.lower()

    async with side.connected():
        await until(refusal, lambda why: "not authori" in why)
        with pytest.raises(ConnectionError):
            await side.foreign.check()
    assert side.sessions == []


@pytest.mark.parametrize("url", ["", "http://broker", "mqtt://", "broker:1883"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no mqtt:// or mqtts:// address"):
        Address.parse(url, client_id="mqtt-bridge", version="5", trust=Trust())


def test_an_address_carries_user_and_password_unquoted() -> None:
    found = Address.parse(
        "mqtts://mqtt-bridge:p%40ss%20word@broker.bar", client_id="b", version="5", trust=Trust()
    )

    assert (found.host, found.port, found.tls) == ("broker.bar", 8883, True)
    assert (found.username, found.password) == ("mqtt-bridge", "p@ss word")
