"""Each part between a device and the bus killed, stopped or wiped while pours run.

A device says its pours at a steady pace, each again until it is answered: in the end every one is
answered and none is charged twice.
"""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, TapSeat, run_bar
from pourline.testkit.behind_a_broker import BRIDGE, BarBehindABroker, Json
from pourline.testkit.mosquitto import Mosquitto
from pourline.testkit.until import until

pytestmark = pytest.mark.broker

TEMPLATE = Path(__file__).parents[2] / "infra" / "mosquitto"
TAPS = 3
POURS = 150
PER_SECOND = 50
VOLUME_ML = 100
PRICE = 900
TOLD_AGAIN_WITHIN_S = 10.0
CLEARED_WITHIN_S = 30.0
"""Absence counts once the inner side has been up for some seconds."""


@pytest.fixture(scope="module")
def version(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "5"))


class Evening:
    """Guests who drink at a steady pace at taps behind the broker."""

    def __init__(self, place: BarBehindABroker, fleet: Fleet) -> None:
        self.place, self.fleet = place, fleet
        self.taps: list[TapSeat] = []
        self.guests: list[GuestSeat] = []

    async def drink(self) -> None:
        """Send pours at a steady pace, each again until it is answered."""
        chunk = PER_SECOND // 10
        running = []
        for start in range(0, POURS, chunk):
            part = [self._pour(number) for number in range(start, start + chunk)]
            running.append(
                asyncio.create_task(self.fleet.publish_pours(part, within_s=90, again_after_s=1.0))
            )
            await asyncio.sleep(chunk / PER_SECOND)  # the pace of the load
        for measured in await asyncio.gather(*running):
            assert measured.unanswered == ()
            assert set(measured.statuses) <= {"accepted", "duplicate"}

    async def is_charged_once(self) -> None:
        """Check money and volume of every guest."""
        for guest in self.guests:
            visit = await self.place.bar.get(f"/api/visits/{guest.visit_id}")
            assert visit["poured_ml"] == POURS // TAPS * VOLUME_ML
            assert visit["balance"] == 100_000 - visit["poured_ml"] * PRICE // 1000

    def _pour(self, number: int) -> tuple[str, Json]:
        tap, guest = self.taps[number % TAPS], self.guests[number % TAPS]
        fields = {"visit_id": guest.visit_id, "volume_ml": VOLUME_ML}
        return tap.tap_id, self.fleet.new_pour(tap.tap_id, fields)


@pytest.fixture
async def evening(place: BarBehindABroker) -> AsyncIterator[Evening]:
    taps = [await place.bar.seat_tap(keg_ml=500_000, price_per_litre=PRICE) for _ in range(TAPS)]
    for tap in taps:
        await place.broker.admit_tap(tap.tap_id, tap.secret)
    devices = [(tap.tap_id, tap.secret) for tap in taps]
    async with Fleet(mqtt_url=place.broker.url, taps=devices) as fleet:
        evening = Evening(place, fleet)
        evening.taps = taps
        evening.guests = [await place.bar.seat_guest(amount=100_000) for _ in taps]
        yield evening


async def the_bridge_is_killed(place: BarBehindABroker) -> None:
    place.bar.process_of(BRIDGE).kill()


async def the_bridge_is_killed_again_and_again(place: BarBehindABroker) -> None:
    for _ in range(3):
        killed = place.bar.process_of(BRIDGE)
        killed.kill()
        await asyncio.to_thread(killed.wait)
        await until(lambda: _is_back(place))


async def _is_back(place: BarBehindABroker) -> bool:
    parts = (await place.bar.ask("GET", "/health/ready")).json()["parts"]
    return bool(parts[BRIDGE]["ready"])


async def the_broker_is_killed(place: BarBehindABroker) -> None:
    await place.broker.kill()
    await place.broker.start()


async def the_broker_loses_its_store(place: BarBehindABroker) -> None:
    await place.broker.kill()
    place.broker.wipe()
    await place.broker.start()


async def the_bus_is_killed(place: BarBehindABroker) -> None:
    place.bar.process_of("nats-server").kill()


FAULTS = (
    the_bridge_is_killed,
    the_bridge_is_killed_again_and_again,
    the_broker_is_killed,
    the_broker_loses_its_store,
    the_bus_is_killed,
)


@pytest.mark.parametrize("version", ["3.1.1", "5"], indirect=True, scope="module")
@pytest.mark.parametrize("happens", FAULTS)
async def test_every_pour_is_answered_and_charged_once_when(
    evening: Evening, happens: Callable[[BarBehindABroker], Awaitable[None]]
) -> None:
    drinking = asyncio.create_task(evening.drink())
    await asyncio.sleep(1.0)  # well into the flow
    await happens(evening.place)
    await drinking

    await evening.place.bar.ready()
    await evening.is_charged_once()
    await evening.place.bar.verified()


async def an_open_alert(place: BarBehindABroker) -> str:
    """Empty a keg and return the topic of its alert, once the broker retains it."""
    tap, guest = await place.seat(keg_ml=1_000)
    async with Fleet(mqtt_url=place.broker.url, taps=[(tap.tap_id, tap.secret)]) as fleet:
        await fleet.pour(tap.tap_id, {"visit_id": guest.visit_id, "volume_ml": 900})

    async def topics() -> list[str]:
        alerts = (await place.bar.get("/api/alerts", state="open"))["items"]
        mine = [one for one in alerts if one["subject"]["id"] == tap.keg_id]
        return [f"bar/main/alerts/{one['severity']}/{one['id']}" for one in mine]

    [topic] = await until(topics)
    state = f"bar/main/tap/{tap.tap_id}/state"

    def both(all_: dict[str, bytes]) -> bool:  # each goes its own way
        told = json.loads(all_.get(state, b"{}"))
        return topic in all_ and told.get("remaining_ml") == 100

    await until(place.retained, both)
    return topic


async def resolve(place: BarBehindABroker, topic: str) -> None:
    await place.bar.post(f"/api/alerts/{topic.rsplit('/', 1)[1]}/resolve", comment="a new keg")


async def test_a_wiped_broker_has_states_and_alerts_again(place: BarBehindABroker) -> None:
    topic = await an_open_alert(place)
    before = await place.retained()

    await the_broker_loses_its_store(place)

    assert topic in before
    await until(place.retained, lambda all_: all_ == before, within_s=TOLD_AGAIN_WITHIN_S)


async def test_a_wiped_bus_leaves_states_and_alerts_as_they_are(place: BarBehindABroker) -> None:
    topic = await an_open_alert(place)
    before = await place.retained()
    bus = place.bar.process_of("nats-server")
    bus.send_signal(signal.SIGSTOP)
    shutil.rmtree(place.bar.data_dir / "nats" / "jetstream")
    bus.kill()

    await place.bar.ready()
    still = await place.retained()
    await resolve(place, topic)

    assert still == before
    await until(place.retained, lambda all_: topic not in all_)


async def test_an_alert_resolved_while_the_bridge_was_away_is_cleared(
    place: BarBehindABroker,
) -> None:
    resolved, other = await an_open_alert(place), await an_open_alert(place)
    bridge = place.bar.process_of(BRIDGE)
    bridge.send_signal(signal.SIGSTOP)
    await resolve(place, resolved)
    assert resolved in await place.retained()

    bridge.kill()

    after = await until(
        place.retained, lambda all_: resolved not in all_, within_s=CLEARED_WITHIN_S
    )
    assert other in after


async def test_an_alert_resolved_while_the_broker_was_away_is_cleared(
    place: BarBehindABroker,
) -> None:
    resolved, other = await an_open_alert(place), await an_open_alert(place)
    await place.broker.stop()  # it keeps what it retains
    await resolve(place, resolved)

    await place.broker.start()

    after = await until(
        place.retained, lambda all_: resolved not in all_, within_s=CLEARED_WITHIN_S
    )
    assert other in after


async def test_what_somebody_else_retained_on_the_board_is_taken_down(
    place: BarBehindABroker,
) -> None:
    await place.broker.admit_anything("enemy", "lets himself in")
    topic = "bar/main/alerts/critical/made-up"
    async with place.ears("enemy", "lets himself in", root="bar", topics=[]) as enemy:
        await enemy.mqtt.publish(topic, b'{"title":"everybody out"}', qos=1, retain=True)

    await until(place.retained, lambda all_: topic not in all_, within_s=CLEARED_WITHIN_S)


def parts_of(answer: httpx.Response) -> Json:
    parts: Json = answer.json()["parts"][BRIDGE].get("parts", {})
    return parts


async def test_a_broker_that_is_down_at_the_start_does_not_keep_the_bar_shut(
    tmp_path: Path,
) -> None:
    broker = Mosquitto(tmp_path / "mosquitto", template=TEMPLATE)
    async with run_bar(tmp_path / "bar", {"MQTT_BRIDGE_URL": broker.bridge_url}) as bar:
        refused = await until(
            lambda: bar.ask("GET", "/health/ready"), lambda answer: "bus" in parts_of(answer)
        )
        tap, guest = await bar.seat_tap(), await bar.seat_guest()
        await broker.admit_tap(tap.tap_id, tap.secret)
        try:
            await broker.start()
            await bar.ready()
            async with Fleet(mqtt_url=bar.mqtt_url, taps=[(tap.tap_id, tap.secret)]) as fleet:
                answer = await fleet.pour(tap.tap_id, {"visit_id": guest.visit_id})
            booked = await bar.get(f"/api/pours/{answer['client_tx_id']}")
        finally:
            await broker.kill()

    parts = parts_of(refused)
    assert refused.status_code == 503
    assert (parts["bus"], parts["inner_broker"]) == ("ok", "ok")
    assert parts["foreign_broker"].startswith("down")
    assert answer["status"] == "accepted"
    assert booked["status"] == "accepted"
