"""An echo through the bar's own broker: what a question and an answer take with nothing between."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import orjson
from nats.aio.msg import Msg
from pourline.controller.simulator import Fleet
from pourline.kit.nats import connect
from pourline.local import credentials
from pourline.local.environment import Surroundings
from pourline.local.paths import DataDir
from pourline.testkit.bar import RunningBar
from uuid_utils.compat import uuid7

WITHIN_S = 5.0
NOTHING = {"volume_ml": 0, "pulses": 0, "rate_ml_s": 0}


class Echo:
    """A tap that asks over MQTT and is answered at once, by a client of the bus that only echoes.

    It says a `flow`, which no service works on, at QoS 1 as every question of a tap, and hears its
    own words on the topic where a card's answer comes.
    """

    def __init__(self, tap_id: str) -> None:
        self._tap_id = tap_id
        self._heard: dict[str, asyncio.Event] = {}
        self._fleet: Fleet | None = None

    async def ms(self) -> float:
        """Return what one echo took, in milliseconds. Raises TimeoutError when none came."""
        assert self._fleet
        request_id = str(uuid7())
        heard = self._heard[request_id] = asyncio.Event()
        begun = time.perf_counter()
        self._fleet.publish(self._tap_id, "flow", NOTHING | {"request_id": request_id})
        async with asyncio.timeout(WITHIN_S):
            await heard.wait()
        return (time.perf_counter() - begun) * 1000

    def take(self, _tap_id: str, _name: str, payload: bytes) -> None:
        """Take what comes back."""
        heard = self._heard.pop(orjson.loads(payload)["request_id"], None)
        if heard:
            heard.set()

    @contextlib.asynccontextmanager
    async def through(self, bar: RunningBar, secret: str) -> AsyncIterator[None]:
        """Connect both ends to the broker of a running bar."""
        data_dir = DataDir(bar.data_dir)
        bus = Surroundings(
            environ=os.environ, secrets=credentials.load_or_make(data_dir), facts=data_dir.facts()
        )
        listening = await connect(url=bus.nats_url("console"), name="bench")
        speaking = await connect(url=bus.nats_url("system-operator"), name="bench")

        async def answer(message: Msg) -> None:
            topic = message.subject.removesuffix(".flow")
            await speaking.publish(f"{topic}.authorize.result", message.data)

        try:
            await listening.subscribe(f"bar.*.tap.{self._tap_id}.flow", cb=answer)
            await listening.flush()
            taps = [(self._tap_id, secret)]
            async with Fleet(mqtt_url=bar.mqtt_url, taps=taps, heard=self.take) as self._fleet:
                yield
        finally:
            await listening.close()
            await speaking.close()
