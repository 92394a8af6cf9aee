"""alerts as it runs: an event comes in, a retained topic says so until it is over."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

import aiomqtt
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.alerts.app import build
from pourline.alerts.settings import Settings
from pourline.contracts.base import Envelope, Event, Listing
from pourline.contracts.cellar import KegLevelChanged
from pourline.contracts.evening import Alert, ResolveAlert
from pourline.contracts.notices import CheckInventory, InventoryCheck
from pourline.contracts.packages import ListAvailability, PackageAvailability
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller
from pourline.local.servers import NatsServer
from pourline.testkit.clock import FakeClock
from pourline.testkit.ending import end
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.resilience.proxy import Proxy, proxied
from pourline.testkit.services import running
from pourline.testkit.until import until

Told = TypeVar("Told", bound=Event)


@dataclass(kw_only=True)
class Screen:
    """A screen of the bar, and the bus behind it."""

    bus: Client
    clock: FakeClock
    mqtt_port: int
    link: Proxy
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
        await self.tell(
            KegLevelChanged(
                keg_id="keg",
                beverage_id="pils",
                beverage_name="Pils",
                tap_id="1",
                volume_ml=Decimal(10_000),
                remaining_ml=Decimal(remaining_ml),
            )
        )

    async def tell(self, event: Told) -> None:
        """Say on the bus what happened."""
        envelope: Envelope[Told] = Envelope(
            id=str(new_id()),
            type=f"{event.TYPE}.v1",
            source=event.PRODUCER,
            subject="it",
            time=self.clock.now(),
            aggregate="it",
            version=1,
            data=event,
        )
        await self.bus.jetstream().publish(event.subject(), envelope.wire())

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
    async with proxied(nats_server.mqtt_port) as link:
        settings = Settings(
            nats_url=nats_server.url,
            mqtt_url=f"mqtt://127.0.0.1:{link.port}",
            database_url=fresh_database("alerts"),
        )
        screen = Screen(bus=bus, clock=clock, mqtt_port=nats_server.mqtt_port, link=link)
        async with running(await build(settings=settings, clock=clock)):
            watching = asyncio.create_task(screen.watch())
            yield screen
            await end(watching)


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


@pytest.mark.requirement("AL-3", "RT-2")
async def test_a_check_asks_the_packages_owner_and_is_shown(screen: Screen) -> None:
    async def answer(request: Msg) -> None:
        found = PackageAvailability(
            package_id="spritz", name="Spritz", max_sellable=0, bottleneck=None
        )
        listed = Listing[PackageAvailability](items=[found]).wire()
        await screen.bus.publish(request.reply, listed, headers={"Pourline-Status": "200"})

    caller = Caller(bus=screen.bus)
    await caller.ask(CheckInventory(), InventoryCheck)  # the timetable is not due in this test
    await screen.bus.subscribe(ListAvailability.subject(), cb=answer)

    checked = await caller.ask(CheckInventory(package_id="spritz"), InventoryCheck)

    await until(screen.shows, lambda kinds: kinds == ["package_unavailable"])
    [(topic, alert)] = screen.shown.items()
    assert checked.data.result is not None
    assert checked.data.result.triggered
    assert (alert["priority"], topic.split("/")[3]) == ("urgent", "critical")


async def test_without_the_packages_owner_the_copy_is_checked(screen: Screen) -> None:
    checked = await Caller(bus=screen.bus).ask(CheckInventory(), InventoryCheck)

    assert checked.data.summary is not None
    assert (checked.data.summary.packages_checked, checked.data.summary.errors) == (0, [])


async def test_a_broker_that_forgot_an_alert_is_told_it_again(screen: Screen) -> None:
    await screen.level(1000)
    await until(screen.shows, lambda kinds: kinds == ["keg_low"])
    [topic] = screen.shown
    async with aiomqtt.Client("127.0.0.1", screen.mqtt_port) as wiper:
        await wiper.publish(topic, b"", qos=1, retain=True)
    await until(screen.shows, lambda kinds: kinds == [])

    screen.link.cut(1.0, random.Random(0))  # noqa: S311 - all of them: no choice is made

    await until(screen.shows, lambda kinds: kinds == ["keg_low"])
    assert await screen.retained() == [topic]
