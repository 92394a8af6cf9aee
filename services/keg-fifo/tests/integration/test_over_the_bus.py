"""keg-fifo as it runs: spouts over MQTT, staff and webhooks over request and reply."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import aiomqtt
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from pourline.contracts.base import Envelope, Listing
from pourline.contracts.cellar import (
    Batch,
    Calibrate,
    Calibration,
    CreateItem,
    Item,
    ListBatches,
    ReceiveStock,
    Unit,
)
from pourline.contracts.device import SpoutPourResult
from pourline.contracts.spouts import IngestSpoutPour
from pourline.contracts.taps import GetSpoutKeys, SpoutChanged, SpoutKeys
from pourline.keg_fifo.app import build
from pourline.keg_fifo.settings import Settings
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller
from pourline.kit.nats.requests import Refused
from pourline.local.servers import NatsServer
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.services import running
from pourline.testkit.until import until

SECRET = "cd" * 32


@dataclass(kw_only=True)
class House:
    """A running keg-fifo with one registered spout, and ways to speak to it."""

    caller: Caller
    mqtt_port: int
    device: str

    def signature(self, text: str) -> str:
        return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()

    async def pour(self, pulses: int, event_id: str) -> dict[str, object]:
        """Say a pour over MQTT and return the answer to the device."""
        topic = f"bar/main/spout/{self.device}/pour"
        signature = self.signature(f"v1:{self.device}:{event_id}:0:{pulses}:")
        body = {"pulses": pulses, "event_id": event_id, "signature": signature}
        async with aiomqtt.Client("127.0.0.1", self.mqtt_port) as spout:
            await spout.subscribe(f"{topic}/result")
            await spout.publish(topic, orjson.dumps(body), qos=1)
            message = await anext(aiter(spout.messages))
        return dict(orjson.loads(bytes(message.payload)))

    async def stocked_item(self) -> Item:
        order = CreateItem(name="Gin", unit=Unit.LTR)
        item = await self.caller.ask(order, Item)
        await self.caller.ask(ReceiveStock(item_id=item.id, quantity=Decimal("0.7")), Batch)
        return item

    async def calibrate(self, item: Item) -> None:
        order = Calibrate(device_id=self.device, item_id=item.id, ml_per_pulse=Decimal("0.5"))

        async def calibrated() -> bool:
            try:
                return bool(await self.caller.ask(order, Calibration))
            except Refused:
                return False  # its registration is still on its way

        await until(calibrated)

    async def remaining(self, item: Item) -> list[Decimal]:
        page = await self.caller.ask(ListBatches(item_id=item.id), Listing[Batch])
        return [batch.remaining for batch in page.items]


@pytest.fixture
async def house(
    fresh_database: FreshDatabase, nats_server: NatsServer, bus: Client, clock: FakeClock
) -> AsyncIterator[House]:
    device = str(new_id())
    keys = SpoutKeys(
        device_id=device, vendor="Berg", location="main", active=True, secrets=[SECRET]
    )

    async def answer(request: Msg) -> None:
        await bus.publish(request.reply, keys.wire(), headers={"Pourline-Status": "200"})

    await bus.subscribe(GetSpoutKeys.subject(), cb=answer)
    registered: Envelope[SpoutChanged] = Envelope(
        id=str(new_id()),
        type="spout.changed.v1",
        source="auth-lock",
        subject="x",
        time=clock.now(),
        aggregate=f"spout:{device}",
        version=1,
        data=SpoutChanged(
            device_id=device, name="Gin", vendor="Berg", location="main", active=True
        ),
    )
    await bus.jetstream().publish(SpoutChanged.subject(), registered.wire())
    settings = Settings(nats_url=nats_server.url, database_url=fresh_database("keg-fifo"))
    async with running(await build(settings=settings, clock=clock)):
        yield House(caller=Caller(bus=bus), mqtt_port=nats_server.mqtt_port, device=device)


@pytest.mark.requirement("SP-3", "SP-5")
async def test_a_spout_is_answered_over_mqtt_and_its_drink_leaves_the_stock(house: House) -> None:
    item = await house.stocked_item()
    waiting = await house.pour(80, "early")
    await house.calibrate(item)

    accepted = await house.pour(80, "one")
    repeated = await house.pour(80, "early")

    assert waiting["status"] == "uncalibrated"
    assert accepted == {"event_id": "one", "status": "accepted", "volume_ml": 40}
    assert repeated == {"event_id": "early", "status": "duplicate", "volume_ml": 40}
    assert await house.remaining(item) == [Decimal("0.62")]


@pytest.mark.requirement("SP-3")
async def test_a_webhook_is_taken_in_or_refused_with_a_status(house: House) -> None:
    body = orjson.dumps({"deviceId": house.device, "pulses": 80, "eventId": "one"}).decode()
    order = IngestSpoutPour(device_id=house.device, body=body, signature=house.signature(body))

    result = await house.caller.ask(order, SpoutPourResult)
    assert (result.event_id, result.status) == ("one", "uncalibrated")

    with pytest.raises(Refused) as refused:
        await house.caller.ask(order.model_copy(update={"signature": None}), SpoutPourResult)
    assert (refused.value.problem.code, refused.value.problem.status) == ("bad_signature", 401)
