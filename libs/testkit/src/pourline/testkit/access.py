"""An auth-lock with two taps and one guest, driven as devices, staff and other services drive it.

The ledger is a small stand-in; database and bus are real.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.auth_lock import consumers
from pourline.auth_lock.handlers import devices, limits, lost_cards, visits
from pourline.auth_lock.handlers import taps as tap_handlers
from pourline.auth_lock.handlers.answers import Asked
from pourline.auth_lock.handlers.authorize import Authorize
from pourline.auth_lock.handlers.visits import SettleFirst
from pourline.auth_lock.invariants import INVARIANTS
from pourline.auth_lock.store import beverages, locks
from pourline.auth_lock.store.taps import StatusWord
from pourline.contracts import guests
from pourline.contracts.base import Command, Envelope, Event
from pourline.contracts.base import Message as Contract
from pourline.contracts.cellar import BeverageCreated, KegConnected
from pourline.contracts.device import AuthorizeRequest, AuthorizeResult, PourStatus, TapStatus
from pourline.contracts.guests import (
    BindCard,
    CloseVisit,
    CreateGuest,
    ForceUnlock,
    GetVisit,
    LostCard,
    OpenVisit,
    Visit,
)
from pourline.contracts.money import (
    GetGrant,
    Grant,
    Hold,
    PlaceHold,
    Pour,
    PourAccepted,
    PourSettled,
    VoidHold,
)
from pourline.contracts.problems import Problem
from pourline.contracts.taps import CreateTap, PutConfig, StopTap
from pourline.kit.db import Database, Row
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller, Context
from pourline.testkit.clock import FakeClock

STAFF = Context(actor="anna", level=3)
NUMBERS = itertools.count(1)
CARD = "0419eeb2757181"
UNTOLD = ("outbox_is_published", "every_entry_of_the_record_is_linked")
"""Rules that hold once the service's loops ran; here none runs."""
Told = TypeVar("Told", bound=Event)


@dataclass
class Ledger:
    """Answers for the ledger; a grant it never heard of is `unknown`."""

    bus: Client
    grants: dict[str, str] = field(default_factory=dict)
    pours: dict[str, Pour] = field(default_factory=dict)
    orders: list[PlaceHold] = field(default_factory=list)
    refuses: str | None = None
    affords_ml: Decimal = Decimal("333.333")
    away: bool = False
    loses_answers: bool = False
    holds_and_fails: bool = False
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What happens once, between a hold and its answer."""

    async def open(self) -> None:
        """Listen for auth-lock's questions."""
        for command in (PlaceHold, GetGrant, VoidHold):
            await self.bus.subscribe(command.subject(), cb=self._answer)

    async def _answer(self, request: Msg) -> None:
        if self.away:
            return
        asked = orjson.loads(request.data)
        if request.subject == PlaceHold.subject():
            await self._place(request)
            return
        if request.subject == VoidHold.subject():
            self.grants[asked["grant_id"]] = "voided"
        state = self.grants.get(asked["grant_id"], "unknown")
        pour = self.pours.get(asked["grant_id"])
        await self._say(request, Grant(grant_id=asked["grant_id"], state=state, pour=pour))

    async def _place(self, request: Msg) -> None:
        order = PlaceHold.read(request.data)
        refuses = self.refuses
        if order.renews and self.grants.get(order.renews) == "captured":
            refuses = "grant_settled"
        if refuses:
            problem = Problem(title="No", status=409, code=refuses, detail="Please top up.")
            await self._say(request, problem, status=409)
            return
        self.orders.append(order)
        self.grants.setdefault(order.grant_id, "pending")
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            await happens()
        if self.holds_and_fails:
            bug = Problem(title="Bug", status=500, code="bug", detail="Something is wrong.")
            await self._say(request, bug, status=500)
        elif not self.loses_answers:
            volume_ml = min(self.affords_ml, order.keg_limit_ml)
            hold = Hold(grant_id=order.grant_id, amount=300, max_volume_ml=volume_ml, balance=1000)
            await self._say(request, hold)

    async def _say(self, request: Msg, answer: Contract, *, status: int = 200) -> None:
        headers = {"Pourline-Status": str(status)}
        await self.bus.publish(request.reply, answer.wire(), headers=headers)


@dataclass(kw_only=True)
class Bar:
    """An auth-lock with taps and one guest's visit."""

    database: Database
    clock: FakeClock
    ledger: Ledger
    caller: Caller
    visit: Visit
    beverage: UUID
    authorize: Authorize

    async def put_card(
        self, tap_id: str = "1", request_id: str | None = None, *, card_uid: str = CARD
    ) -> AuthorizeResult:
        """Put a card on a tap's reader and return what the tap is answered."""
        request = AuthorizeRequest(request_id=request_id or str(new_id()), card_uid=card_uid)
        asked = Asked(tap_id=tap_id, location="main", request=request, received_at=self.clock.now())
        return await self.authorize(asked)

    async def crash_before_the_hold(self, request_id: str) -> UUID:
        """Leave what a process leaves that dies between lock and hold."""
        grant = locks.NewGrant(grant_id=new_id(), visit_id=UUID(self.visit.id))
        question = locks.Question(
            tap_id="1",
            location="main",
            request_id=request_id,
            card_uid=CARD,
            at=self.clock.now(),
        )
        async with self.database.transaction() as unit:
            assert await locks.begin_grant(unit, question, grant)
        return grant.grant_id

    async def settle(self, grant_id: str | None, *, kind: type[PourSettled] = PourAccepted) -> None:
        """Hear that a pour is in the books."""
        await self.hear(self.pour_told(grant_id, kind=kind))

    def pour_told(
        self,
        grant_id: str | None,
        volume_ml: int = 300,
        *,
        kind: type[PourSettled] = PourAccepted,
        **changes: object,
    ) -> PourSettled:
        """Return the ledger's word on a pour of the guest's visit at 9.00 a litre."""
        now = self.clock.now()
        fields: dict[str, object] = {
            "client_tx_id": str(new_id()),
            "tap_id": "1",
            "location": "main",
            "visit_id": self.visit.id,
            "guest_id": self.visit.guest.id,
            "beverage_id": str(self.beverage),
            "settles_grant_id": grant_id,
            "volume_ml": volume_ml,
            "amount": volume_ml * 9 // 10,
            "status": PourStatus.ACCEPTED,
            "started_at": now,
            "ended_at": now,
            "received_at": now,
            "accepted_at": now,
        }
        return kind.model_validate(fields | changes)

    async def hear(self, *pours: PourSettled) -> None:
        """Hear of pours, in one batch."""
        told = [envelope(pour, self.clock.now()) for pour in pours]
        async with self.database.transaction() as unit:
            await consumers.handlers()[type(pours[0])](told, unit)

    async def book_unheard(self, grant_id: str | None, volume_ml: int) -> None:
        """Have the ledger book a pour whose event is still on the way."""
        pour = self.pour_told(grant_id, volume_ml)
        fields = pour.model_dump() | {"sync_status": "synced"}
        self.ledger.grants[str(grant_id)] = "captured"
        self.ledger.pours[str(grant_id)] = Pour.model_validate(fields)

    async def new_beverage(self, tap_id: str, *, kind: str, abv: object = None) -> UUID:
        """Put another beverage on a tap, at 9.00 a litre."""
        beverage = new_id()
        event = BeverageCreated.model_validate(
            {
                "beverage_id": str(beverage),
                "name": kind,
                "kind": kind,
                "abv": abv,
                "price_per_litre": 900,
                "at": self.clock.now(),
            }
        )
        async with self.database.transaction() as unit:
            await tap_handlers.know_beverages([envelope(event, self.clock.now())], unit)
        await connect_keg(self.database, self.clock, tap_id, beverage)
        return beverage

    async def configure(self, key: str, value: object) -> None:
        """Set a configuration value."""
        async with self.database.transaction() as unit:
            await devices.put_config(PutConfig(key=key, value=value), unit, STAFF)

    async def limit(self, *rules: dict[str, Any], companions: int = 0, **profile: object) -> None:
        """Give the guest another visit, under limits."""
        value = {"title": "Test", "limits": list(rules)} | profile
        await self.configure("limit_profile.test", value)
        await self.close_visit()
        await self.open_visit(limit_profile="test", companions=companions)

    async def open_visit(self, **fields: object) -> Visit:
        """Open the guest's next visit with the card."""
        order = {"guest_id": self.visit.guest.id, "card_uid": CARD} | fields
        async with self.database.transaction() as unit:
            self.visit = await visits.open_visit(OpenVisit.model_validate(order), unit, STAFF)
        return self.visit

    async def close_visit(self) -> Visit:
        """Close the visit as staff do."""
        order = CloseVisit(visit_id=self.visit.id, reason="left")
        await SettleFirst(database=self.database, caller=self.caller)(order, STAFF)
        async with self.database.transaction() as unit:
            return await visits.close_visit(order, unit, STAFF)

    async def staff(self, order: Command, *, actor: str = "anna") -> Visit | LostCard | str:
        """Give an order about visits or lost cards; return the answer, or a refusal's code."""
        handlers: dict[type[Command], Any] = {
            guests.Reactivate: limits.reactivate,
            guests.CutOff: limits.cut_off,
            guests.LiftCutOff: limits.lift_cut_off,
            guests.ReportLostCard: lost_cards.report,
            guests.RestoreLostCard: lost_cards.restore,
            guests.OverrideLostCard: lost_cards.override,
            BindCard: visits.bind_card,
            OpenVisit: visits.open_visit,
        }
        try:
            async with self.database.transaction() as unit:
                context = Context(actor=actor, level=4)
                answer: Visit | LostCard = await handlers[type(order)](order, unit, context)
                return answer
        except Rejected as refused:
            return refused.wire_code

    async def say_status(self, tap_id: str, *, online: bool, pending_sync: int = 0) -> None:
        """Hear a tap's status."""
        async with self.database.transaction() as unit:
            status = TapStatus(online=online, pending_sync=pending_sync)
            await tap_handlers.take_status(unit, [status_word(tap_id, status, self.clock)])

    async def stop_tap(self) -> None:
        """Stop tap 1."""
        async with self.database.transaction() as unit:
            await tap_handlers.stop_tap(StopTap(tap_id="1", reason="foam"), unit, STAFF)

    async def force_unlock(self, reason: str) -> None:
        """Open the visit's locks by hand."""
        order = ForceUnlock(visit_id=self.visit.id, reason=reason)
        async with self.database.transaction() as unit:
            await visits.force_unlock(order, unit, STAFF)

    async def locked_at(self) -> str | None:
        """Return the tap at which the visit is locked."""
        async with self.database.transaction() as unit:
            query = GetVisit(visit_id=self.visit.id)
            return (await visits.get_visit(query, unit, STAFF)).active_tap_id

    async def locked_taps(self) -> list[str]:
        """Return every tap that a standing lock holds."""
        rows = await self.rows("SELECT tap_id FROM tap_lock WHERE released_at IS NULL")
        return sorted(row["tap_id"] for row in rows)

    async def rows(self, sql: str) -> list[Row]:
        """Return a query's rows."""
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def audited(self, action: str) -> list[Row]:
        """Return the audit's entries of an action, oldest first."""
        rows = await self.rows("SELECT * FROM audit ORDER BY id")
        return [row for row in rows if row["action"] == action]

    async def told(self, kind: str) -> list[Row]:
        """Return the data of the announced events of a subject, oldest first."""
        rows = await self.rows("SELECT * FROM outbox ORDER BY id")
        return [orjson.loads(row["payload"])["data"] for row in rows if row["subject"] == kind]

    async def offenders(self) -> list[str]:
        """Return the names of the invariants that do not hold."""
        rules = [rule for rule in INVARIANTS if rule.name not in UNTOLD]
        return [rule.name for rule in rules if await self.rows(rule.sql)]


def envelope(event: Told, at: datetime) -> Envelope[Told]:
    """Return an event as it travels."""
    return Envelope(
        id=str(new_id()),
        type=event.TYPE,
        source=event.PRODUCER,
        subject="x",
        time=at,
        aggregate="x",
        version=1,
        data=event,
    )


def status_word(tap_id: str, status: TapStatus, clock: FakeClock, *, seq: int = 0) -> StatusWord:
    """Return a tap's status as the broker hands it on now, under its next number unless told."""
    return StatusWord(tap_id=tap_id, seq=seq or next(NUMBERS), at=clock.now(), status=status)


async def connect_keg(
    database: Database, clock: FakeClock, tap_id: str, beverage_id: UUID, name: str = "Pils"
) -> None:
    """Hear that a full keg is on a tap."""
    now = clock.now()
    keg = KegConnected(
        keg_id=str(new_id()),
        tap_id=tap_id,
        beverage_id=str(beverage_id),
        beverage_name=name,
        volume_ml=Decimal(50_000),
        remaining_ml=Decimal(50_000),
        connected_at=now,
    )
    async with database.transaction() as unit:
        await tap_handlers.know_connected_kegs([envelope(keg, now)], unit)


async def seat_tap(database: Database, clock: FakeClock, beverage_id: UUID, tap: CreateTap) -> None:
    """Set up a tap that is online and has a keg."""
    async with database.transaction() as unit:
        await tap_handlers.create_tap(tap, unit, STAFF)
        await tap_handlers.take_status(unit, [status_word(tap.id, TapStatus(online=True), clock)])
        await beverages.save_price(
            unit, beverage_id=beverage_id, from_at=clock.now(), price_per_litre=900
        )
    await connect_keg(database, clock, tap.id, beverage_id)


async def seat_guest(database: Database, card_uid: str) -> Visit:
    """Set up a guest of age with a visit and a card."""
    order = CreateGuest(name="Ada", age_verified=True)
    async with database.transaction() as unit:
        guest = await visits.create_guest(order, unit, STAFF)
        visit = OpenVisit(guest_id=guest.id, card_uid=card_uid)
        return await visits.open_visit(visit, unit, STAFF)


@asynccontextmanager
async def open_bar(database: Database, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    """Set up the bar, and check its invariants at the end."""
    await database.open()
    ledger = Ledger(bus)
    await ledger.open()
    beverage = new_id()
    for tap_id in ("1", "2"):
        await seat_tap(database, clock, beverage, CreateTap(id=tap_id, name=f"Tap {tap_id}"))
    caller = Caller(bus=bus, wait_s=1.0)
    bar = Bar(
        database=database,
        clock=clock,
        ledger=ledger,
        caller=caller,
        visit=await seat_guest(database, CARD),
        beverage=beverage,
        authorize=Authorize(database=database, caller=caller, clock=clock),
    )
    yield bar
    assert await bar.offenders() == []
    await database.close()
