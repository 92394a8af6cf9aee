"""A bar whose devices connect to a Mosquitto of its own, and those devices and screens."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt

from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.ending import end
from pourline.testkit.entering import entered
from pourline.testkit.mosquitto import EYES_PASSWORD, SCREEN_PASSWORD, Mosquitto

BRIDGE = "mqtt-bridge"
CONNECT_WITHIN_S = 10.0
HEARD_WITHIN_S = 20.0
ASK_AGAIN_S = 1.0

Json = dict[str, Any]
PROTOCOLS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}


class Ears:
    """One MQTT client of a device or a screen, and all that it heard."""

    def __init__(self, mqtt: aiomqtt.Client, root: str) -> None:
        self.mqtt, self.root = mqtt, root
        self.heard: list[tuple[str, bytes, bool]] = []
        self._changed = asyncio.Event()
        self._numbers = itertools.count(1)

    async def listen(self) -> None:
        """Keep everything that comes."""
        async for message in self.mqtt.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            self.heard.append((str(message.topic), payload, bool(message.retain)))
            self._changed.set()

    def of(self, topic: str) -> list[Json]:
        """Return what came on a topic, by its full name or its end; an empty payload is {}."""
        return [json.loads(body or b"{}") for one, body, _ in self.heard if one.endswith(topic)]

    async def next(self, topic: str, *, within_s: float = HEARD_WITHIN_S, **fields: object) -> Json:
        """Wait for a message on a topic that has these fields."""
        async with asyncio.timeout(within_s):
            while True:
                for found in self.of(topic):
                    if fields.items() <= found.items():
                        return found
                self._changed.clear()
                await self._changed.wait()

    async def say(
        self, name: str, payload: Json | bytes, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish on one of the device's topics."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self.mqtt.publish(f"{self.root}/{name}", body, qos=qos, retain=retain)

    async def ask(self, name: str, key: str, body: Json) -> Json:
        """Say something, each second again, until its answer comes."""
        while True:
            await self.say(name, body)
            with contextlib.suppress(TimeoutError):
                return await self.next(
                    f"{name}/result", within_s=ASK_AGAIN_S, **{key: str(body[key])}
                )


class BarBehindABroker:
    """A bar and the broker in front of it; `version` is the bridge's MQTT."""

    def __init__(self, folder: Path, *, broker: Mosquitto, version: str) -> None:
        self.broker = broker
        self.version = version
        environment = {"MQTT_URL": broker.bridge_url, "BRIDGE_MQTT_VERSION": version}
        self.bar = RunningBar(folder, environment)

    async def start(self) -> None:
        """Start the broker, then the bar."""
        await self.broker.start()
        await self.bar.start()

    async def stop(self) -> None:
        """Stop both."""
        try:
            assert await self.bar.stop() == 0
        finally:
            await self.broker.kill()

    async def seat(self, *, keg_ml: int = 50_000) -> tuple[TapSeat, GuestSeat]:
        """Set up a tap that the broker knows, and a guest."""
        tap, guest = await self.bar.seat_tap(keg_ml=keg_ml), await self.bar.seat_guest()
        await self.broker.admit_tap(tap.tap_id, tap.secret)
        return tap, guest

    @contextlib.asynccontextmanager
    async def device(self, seat: TapSeat) -> AsyncIterator[Ears]:
        """Be a tap that is online and hears all that is said to it."""
        name, root = f"tap-{seat.tap_id}", f"bar/main/tap/{seat.tap_id}"
        topics = [
            f"{root}/{one}" for one in ("authorize/result", "pour/result", "state", "command")
        ]
        async with self.ears(name, seat.secret, root=root, topics=topics) as ears:
            await ears.say(
                "status", {"online": True, "pending_sync": 0, "valve": "closed"}, retain=True
            )
            yield ears

    @contextlib.asynccontextmanager
    async def screen(self) -> AsyncIterator[Ears]:
        """Look at the alert board as a screen on the wall does."""
        topics = ["bar/main/alerts/#"]
        async with self.ears("screen-1", SCREEN_PASSWORD, root="bar/main", topics=topics) as ears:
            yield ears

    async def retained(self) -> dict[str, bytes]:
        """Return the states and alerts that somebody is given who has just subscribed."""
        topics = ["bar/main/alerts/#", "bar/main/tap/+/state", "eyes/seen"]
        async with self.ears("eyes", EYES_PASSWORD, root="eyes", topics=topics) as eyes:
            # No broker says that it has given everything; the echo comes behind it.
            await eyes.say("seen", {"all": True})
            await eyes.next("eyes/seen")
            return {topic: body for topic, body, is_old in eyes.heard if is_old}

    @contextlib.asynccontextmanager
    async def ears(
        self, name: str, password: str, *, root: str, topics: Sequence[str]
    ) -> AsyncIterator[Ears]:
        """Connect to the broker in front of the bar, as soon as it lets this user in."""
        new_client = partial(
            aiomqtt.Client,
            "127.0.0.1",
            self.broker.port,
            username=name,
            password=password,
            identifier=name,
            protocol=PROTOCOLS[self.version],
        )
        async with entered(new_client, within_s=CONNECT_WITHIN_S) as mqtt:
            ears = Ears(mqtt, root)
            listening = asyncio.create_task(ears.listen())
            try:
                for topic in topics:
                    await mqtt.subscribe(topic, qos=1)
                yield ears
            finally:
                await end(listening)
