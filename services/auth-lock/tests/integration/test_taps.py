"""Taps against the real database: each happening moves a tap into the state it belongs in."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import orjson
import pytest
from pourline.auth_lock.devices import StatusEdge
from pourline.auth_lock.errors import TapUnknown
from pourline.auth_lock.handlers import locks as lock_handlers
from pourline.auth_lock.handlers import taps
from pourline.auth_lock.jobs import TapStates
from pourline.auth_lock.store import guests, locks
from pourline.contracts.base import Envelope, Event
from pourline.contracts.cellar import KegConnected, KegDisconnected, KegLevelChanged, KegStatus
from pourline.contracts.device import TapState
from pourline.contracts.money import PriceChanged
from pourline.contracts.taps import (
    CleanTap,
    CreateTap,
    GetTap,
    ReportFoam,
    ResetTapSync,
    ResumeTap,
    StopTap,
)
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context, Message
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=3)
Told = TypeVar("Told", bound=Event)


@dataclass(kw_only=True)
class House:
    """One tap, and everything that may happen to it."""

    database: Database
    clock: FakeClock
    beverage: UUID
    set_aside: list[str] = field(default_factory=list)
    sequence: int = 0
    versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def state(self) -> TapState:
        async with self.database.transaction() as unit:
            return (await taps.get_tap(GetTap(tap_id="1"), unit, STAFF)).state

    async def connect_keg(self, *, remaining_ml: int = 50_000, keg_id: UUID | None = None) -> UUID:
        keg_id = keg_id or new_id()
        event = KegConnected(
            keg_id=str(keg_id),
            tap_id="1",
            beverage_id=str(self.beverage),
            beverage_name="Pils",
            volume_ml=Decimal(50_000),
            remaining_ml=Decimal(remaining_ml),
            connected_at=self.clock.now(),
        )
        async with self.database.transaction() as unit:
            await taps.know_connected_kegs([self.envelope(event)], unit)
        self.clock.advance(seconds=1)
        return keg_id

    async def level(self, keg_id: UUID, remaining_ml: int) -> None:
        await self.hear_levels(self.level_told(keg_id, remaining_ml))

    def level_told(self, keg_id: UUID, remaining_ml: int) -> Envelope[KegLevelChanged]:
        event = KegLevelChanged(
            keg_id=str(keg_id),
            beverage_id=str(self.beverage),
            beverage_name="Pils",
            tap_id="1",
            volume_ml=Decimal(50_000),
            remaining_ml=Decimal(remaining_ml),
        )
        return self.envelope(event)

    async def hear_levels(self, *events: Envelope[KegLevelChanged]) -> None:
        async with self.database.transaction() as unit:
            await taps.know_keg_levels(events, unit)

    async def disconnect_keg(self, keg_id: UUID) -> None:
        event = KegDisconnected(
            keg_id=str(keg_id),
            tap_id="1",
            status=KegStatus.IN_STOCK,
            swapped=False,
            remaining_ml=Decimal(0),
            disconnected_at=self.clock.now(),
        )
        async with self.database.transaction() as unit:
            await taps.know_disconnected_kegs([self.envelope(event)], unit)

    async def status(self, payload: dict[str, object] | bytes, *, again: bool = False) -> None:
        """Hear the tap's status as the bus brings it."""
        self.sequence += not again
        message = Message(
            subject="bar.main.tap.1.status",
            data=payload if isinstance(payload, bytes) else orjson.dumps(payload),
            headers={},
            received_at=self.clock.now(),
            sequence=self.sequence,
            deliveries=1 + again,
        )
        await StatusEdge(database=self.database, set_aside=self._set_aside)([message])

    async def _set_aside(self, message: Message, reason: str, tries: int) -> None:
        self.set_aside.append(reason)

    async def lock(self) -> UUID:
        """Have a guest pour at the tap."""
        guest_id, visit_id, grant_id = new_id(), new_id(), new_id()
        names = ("phone", "phone_digits", "email", "notes", "age_verified_at", "age_verified_by")
        visit = {
            "id": visit_id,
            "guest_id": guest_id,
            "card_uid": None,
            "limit_profile": None,
            "companions": 0,
            "opened_at": self.clock.now(),
            "opened_by": "anna",
        }
        async with self.database.transaction() as unit:
            values: dict[str, object] = {"name": "Ada", "search_name": "ada", "search_phone": ""}
            values |= {"search_grams": [], **dict.fromkeys(names)}
            await guests.insert_guest(unit, guest_id=guest_id, values=values)
            await guests.insert_visit(unit, values=visit)
            grant = locks.NewGrant(grant_id=grant_id, visit_id=visit_id)
            await locks.take_lock(unit, tap_id="1", grant=grant)
        return grant_id

    async def release(self, grant_id: UUID) -> None:
        async with self.database.transaction() as unit:
            await lock_handlers.release(unit, [grant_id], why="pour")

    async def reset_sync(self) -> None:
        async with self.database.transaction() as unit:
            order = ResetTapSync(tap_id="1", reason="counted by hand")
            await taps.reset_sync(order, unit, STAFF)

    async def states_told(self) -> list[str]:
        async with self.database.transaction() as unit:
            rows = await unit.all(
                "SELECT payload FROM outbox WHERE subject = 'evt.tap.state_changed' ORDER BY id"
            )
        return [orjson.loads(row["payload"])["data"]["state"] for row in rows]

    def envelope(self, event: Told) -> Envelope[Told]:
        return Envelope(
            id=str(new_id()),
            type=event.TYPE,
            source=event.PRODUCER,
            subject="x",
            time=self.clock.now(),
            aggregate="x",
            version=next(self.versions),
            data=event,
        )


ONLINE: dict[str, object] = {"online": True, "pending_sync": 0}
BUSY: dict[str, object] = {"online": True, "pending_sync": 1}
OFFLINE: dict[str, object] = {"online": False, "pending_sync": 0}


@pytest.fixture
async def house(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[House]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    await database.open()
    async with database.transaction() as unit:
        await taps.create_tap(CreateTap(id="1", name="Tap 1"), unit, STAFF)
    yield House(database=database, clock=clock, beverage=new_id())
    await database.close()


@pytest.mark.requirement("KG-4")
async def test_a_tap_is_out_of_keg_until_a_keg_that_holds_something_is_on_it(house: House) -> None:
    seen = [await house.state()]
    keg_id = await house.connect_keg()
    seen.append(await house.state())
    await house.level(keg_id, 0)
    seen.append(await house.state())
    other = await house.connect_keg()
    seen.append(await house.state())
    await house.disconnect_keg(keg_id)
    seen.append(await house.state())
    await house.disconnect_keg(other)
    seen.append(await house.state())

    out, active = TapState.OUT_OF_KEG, TapState.ACTIVE
    assert seen == [out, active, out, active, active, out]
    assert await house.states_told() == ["active", "out_of_keg", "active", "out_of_keg"]


async def test_a_keg_that_was_connected_earlier_never_takes_the_newer_ones_place(
    house: House,
) -> None:
    await house.connect_keg()
    house.clock.advance(seconds=-60)
    await house.connect_keg(remaining_ml=0)

    assert await house.state() is TapState.ACTIVE


async def test_a_keg_that_is_on_again_stays_when_its_earlier_end_is_told_late(house: House) -> None:
    keg_id = await house.connect_keg()
    house.clock.advance(seconds=60)
    await house.connect_keg(keg_id=keg_id)
    house.clock.advance(seconds=-30)
    await house.disconnect_keg(keg_id)

    assert await house.state() is TapState.ACTIVE


async def test_a_keg_whose_connection_is_told_after_its_end_is_not_on_the_tap(
    house: House,
) -> None:
    keg_id = new_id()
    house.clock.advance(seconds=60)
    await house.disconnect_keg(keg_id)
    house.clock.advance(seconds=-60)
    await house.connect_keg(keg_id=keg_id)

    assert await house.state() is TapState.OUT_OF_KEG


async def test_a_level_that_is_told_late_never_fills_an_empty_keg(house: House) -> None:
    keg_id = await house.connect_keg()
    late = house.level_told(keg_id, 300)
    await house.level(keg_id, 0)
    await house.hear_levels(late)

    assert await house.state() is TapState.OUT_OF_KEG


@pytest.mark.requirement("SY-3")
async def test_a_locked_tap_that_goes_offline_processes_its_sync_until_its_queue_is_empty(
    house: House,
) -> None:
    await house.connect_keg()
    await house.status(ONLINE)
    grant_id = await house.lock()
    seen = []
    for payload in (OFFLINE, BUSY):
        await house.status(payload)
        seen.append(await house.state())
    await house.release(grant_id)
    seen.append(await house.state())
    await house.status(ONLINE)
    seen.append(await house.state())

    syncing = TapState.PROCESSING_SYNC
    assert seen == [syncing, syncing, syncing, TapState.ACTIVE]


@pytest.mark.requirement("SY-3")
async def test_an_offline_tap_leaves_its_sync_once_its_lock_is_open(house: House) -> None:
    await house.connect_keg()
    await house.status(ONLINE)
    grant_id = await house.lock()
    await house.status(OFFLINE)
    assert await house.state() is TapState.PROCESSING_SYNC

    await house.release(grant_id)

    assert await house.state() is TapState.ACTIVE


@pytest.mark.requirement("SY-3")
async def test_a_reset_stands_until_a_newer_status(house: House) -> None:
    await house.connect_keg()
    await house.status(BUSY)
    await house.reset_sync()
    seen = [await house.state()]
    await house.status(BUSY, again=True)
    seen.append(await house.state())
    await house.status(BUSY)
    seen.append(await house.state())

    assert seen == [TapState.ACTIVE, TapState.ACTIVE, TapState.PROCESSING_SYNC]


async def test_what_staff_order_stands_above_everything_else(house: House) -> None:
    async with house.database.transaction() as unit:
        stopped = await taps.stop_tap(StopTap(tap_id="1", reason="foam"), unit, STAFF)
        cleaned = await taps.clean_tap(CleanTap(tap_id="1", reason="weekly"), unit, STAFF)
    await house.connect_keg()
    assert await house.state() is TapState.CLEANING
    async with house.database.transaction() as unit:
        resumed = await taps.resume_tap(ResumeTap(tap_id="1", reason="clean"), unit, STAFF)

    assert [stopped.state, stopped.reason] == ["stopped", "foam"]
    assert [cleaned.state, resumed.state, resumed.reason] == ["cleaning", "active", None]


async def test_an_unknown_tap_takes_no_order_and_a_known_id_no_second_tap(house: House) -> None:
    with pytest.raises(Rejected) as unknown:
        async with house.database.transaction() as unit:
            await taps.stop_tap(StopTap(tap_id="7", reason="foam"), unit, STAFF)
    with pytest.raises(Rejected) as taken:
        async with house.database.transaction() as unit:
            await taps.create_tap(CreateTap(id="1", name="Again"), unit, STAFF)

    assert [unknown.value.wire_code, taken.value.wire_code] == ["not_found", "tap_exists"]


async def test_garbage_is_set_aside_and_an_emptied_status_says_nothing(house: House) -> None:
    await house.connect_keg()
    await house.status(b"garbage")
    await house.status({"online": "yes"})
    await house.status(b"")

    assert [reason.split(":")[0] for reason in house.set_aside] == ["malformed", "malformed"]
    assert await house.state() is TapState.ACTIVE


@pytest.mark.requirement("KG-5")
async def test_a_new_price_is_shown_on_the_taps_that_pour_it(house: House) -> None:
    await house.connect_keg()
    event = PriceChanged(
        beverage_id=str(house.beverage), price_per_litre=1200, from_at=house.clock.now()
    )
    house.clock.advance(seconds=-10)
    earlier = event.model_copy(update={"price_per_litre": 900, "from_at": house.clock.now()})
    async with house.database.transaction() as unit:
        await taps.know_prices([house.envelope(earlier)], unit)
        tap = await taps.get_tap(GetTap(tap_id="1"), unit, STAFF)
        states = TapStates()
        told = {word.key: orjson.loads(word.payload) for word in await states.untold(unit)}

    assert tap.price_per_litre == 900
    assert told["1"]["price_per_litre"] == 900
    assert (told["1"]["state"], told["1"]["beverage"]) == ("active", "Pils")


async def test_a_state_is_told_once_and_again_when_the_broker_is_another(house: House) -> None:
    await house.connect_keg()
    states = TapStates()
    counts = []
    async with house.database.transaction() as unit:
        for forget in (False, False, True):
            if forget:
                await states.tell_all_again(unit)
            words = await states.untold(unit)
            await states.mark_told(unit, [(word.key, word.version) for word in words])
            counts.append([word.topic for word in words])

    assert counts == [["bar/main/tap/1/state"], [], ["bar/main/tap/1/state"]]


async def test_foam_that_a_guest_reports_is_on_the_record_and_told_with_the_visit(
    house: House,
) -> None:
    await house.lock()
    async with house.database.transaction() as unit:
        await taps.report_foam(ReportFoam(tap_id="1"), unit, Context(actor="guest"))
    async with house.database.transaction() as unit:
        told = await unit.all("SELECT payload FROM outbox WHERE subject = 'evt.tap.foam_reported'")
        record = await unit.all("SELECT actor, subject FROM audit WHERE action LIKE 'tap_foam%'")
        locked = (await taps.get_tap(GetTap(tap_id="1"), unit, STAFF)).locked_by_visit

    [event] = [orjson.loads(row["payload"])["data"] for row in told]
    assert (event["tap_id"], event["visit_id"]) == ("1", locked)
    assert [(row["actor"], row["subject"]) for row in record] == [("guest", "tap:1")]


async def test_foam_at_a_tap_that_is_not_there_is_refused(house: House) -> None:
    with pytest.raises(TapUnknown):
        async with house.database.transaction() as unit:
            await taps.report_foam(ReportFoam(tap_id="9"), unit, STAFF)
