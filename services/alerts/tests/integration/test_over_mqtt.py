"""alerts as it runs: an event comes in, a retained topic says so until it is over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal

import aiomqtt
import orjson
import pytest
from nats.aio.client import Client
from pourline.alerts.app import build
from pourline.alerts.settings import Settings
from pourline.contracts.base import Envelope
from pourline.contracts.cellar import KegLevelChanged
from pourline.contracts.evening import Alert, ResolveAlert
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller
from pourline.local.servers import NatsServer
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.services import running
from pourline.testkit.until import until


@dataclass(kw_only=True)
class Screen:
    """A screen of the bar, and the bus behind it."""

    bus: Client
    clock: FakeClock
    mqtt_port: int
    shown: dict[str, dict[str, object]] = field(default_factory=dict)
    heard: int = 0

    async def watch(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self.mqtt_port, identifier="screen") as client:
            await client.subscribe("bar/+/alerts/#", qos=1)
            async for message in client.messages:
                self.heard += 1
                self.show(message.topic.value, bytes(message.payload))

    def show(self, topic: str, payload: bytes) -> None:
        if payload:
            self.shown[topic] = orjson.loads(payload)
        else:
            self.shown.pop(topic, None)

    async def level(self, remaining_ml: int) -> None:
        event: Envelope[KegLevelChanged] = Envelope(
            id=str(new_id()),
            type="keg.level_changed.v1",
            source="keg-fifo",
            subject="keg",
            time=self.clock.now(),
            aggregate="keg",
            version=1,
            data=KegLevelChanged(
                keg_id="keg",
                beverage_id="pils",
                beverage_name="Pils",
                tap_id="1",
                volume_ml=Decimal(10_000),
                remaining_ml=Decimal(remaining_ml),
            ),
        )
        await self.bus.jetstream().publish(KegLevelChanged.subject(), event.wire())

    async def shows(self) -> list[object]:
        return [alert["kind"] for alert in self.shown.values()]

    async def retained(self) -> list[str]:
        """Return the topics that a screen which comes now would see."""
        topics = []
        async with aiomqtt.Client("127.0.0.1", self.mqtt_port) as client:
            await client.subscribe("bar/+/alerts/#", qos=1)
            await client.subscribe("end", qos=1)
            await client.publish("end", b"end")
            async for message in client.messages:
                if message.topic.value == "end":
                    break
                topics.append(message.topic.value)
        return topics


@pytest.fixture
async def screen(
    fresh_database: FreshDatabase, nats_server: NatsServer, bus: Client, clock: FakeClock
) -> AsyncIterator[Screen]:
    settings = Settings(
        nats_url=nats_server.url,
        mqtt_url=nats_server.mqtt_url,
        database_url=fresh_database("alerts"),
    )
    screen = Screen(bus=bus, clock=clock, mqtt_port=nats_server.mqtt_port)
    async with running(await build(settings=settings, clock=clock)):
        watching = asyncio.create_task(screen.watch())
        yield screen
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.requirement("AL-7")
async def test_an_alert_is_retained_until_staff_resolve_it(screen: Screen) -> None:
    await screen.level(1000)
    await until(screen.shows, lambda kinds: kinds == ["keg_low"])
    [(topic, alert)] = screen.shown.items()
    retained = await screen.retained()

    order = ResolveAlert(alert_id=str(alert["alert_id"]), comment="another one is on")
    resolved = await Caller(bus=screen.bus).ask(order, Alert)
    await until(screen.shows, lambda kinds: kinds == [])

    assert topic == f"bar/main/alerts/warning/{alert['alert_id']}"
    assert (alert["state"], alert["subject"]) == ("open", {"type": "keg", "id": "keg"})
    assert (retained, await screen.retained()) == ([topic], [])
    assert resolved.state == "resolved"


async def test_a_broker_that_forgot_an_alert_is_told_it_again(screen: Screen) -> None:
    await screen.level(1000)
    await until(screen.shows, lambda kinds: kinds == ["keg_low"])
    [topic] = screen.shown
    async with aiomqtt.Client("127.0.0.1", screen.mqtt_port) as wiper:
        await wiper.publish(topic, b"", qos=1, retain=True)
    await until(screen.shows, lambda kinds: kinds == [])

    async with aiomqtt.Client("127.0.0.1", screen.mqtt_port, identifier="service-alerts"):
        pass  # takes the service's place for a moment: it has to connect again

    await until(screen.shows, lambda kinds: kinds == ["keg_low"])
    assert await screen.retained() == [topic]
