"""Taking in pours: a batch is decided, billed and announced in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pourline.contracts.books import PourReconciled
from pourline.contracts.device import PourResult, PourStatus
from pourline.contracts.money import PourAccepted, PourHeld, PourMismatched, PourSettled
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import Retryable
from pourline.kit.ids import new_id, text_of
from pourline.ledger import domain
from pourline.ledger.domain import Entry, GrantState, Knowledge, Report, Settlement, Status
from pourline.ledger.handlers.readers import Readers
from pourline.ledger.store import accounts, entries, holds, pours

CONSUMER = "ledger--pour"


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A payload that is no pour; `client_tx_id` where it could still be read."""

    subject: str
    tap_id: str
    location: str
    payload: bytes
    client_tx_id: str | None
    reason: str
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tap is told about one message."""

    tap_id: str
    location: str
    result: PourResult


class TakeInPours:
    """Takes in a batch of pours and returns an answer for each, in order."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._readers = Readers()

    async def __call__(self, arrivals: Sequence[Report | Broken]) -> list[Answer]:
        """Decide and book `arrivals` in one commit; raises `Retryable` when a race was lost."""
        async with self._database.transaction() as unit:
            reports = [one for one in arrivals if isinstance(one, Report)]
            for broken in (one for one in arrivals if isinstance(one, Broken)):
                await _set_aside(unit, broken)
            stored = await pours.find_stored(unit, [one.client_tx_id for one in reports])
            fresh = await self._readers.read(unit, _first_of_each(reports, stored))
            settled = await _settle(unit, fresh) if fresh else {}
            for report in reports:
                await _note_mismatch(unit, report, stored, settled)
        told: set[str] = set()
        return [_answer(one, stored, settled, told) for one in arrivals]


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """A new pour's settlement and the guest's balance after it."""

    settlement: Settlement
    balance: int | None


def _first_of_each(reports: Sequence[Report], stored: dict[str, Row]) -> list[Report]:
    first: dict[str, Report] = {}
    for report in reports:
        if report.client_tx_id not in stored:
            first.setdefault(report.client_tx_id, report)
    return list(first.values())


async def _settle(unit: UnitOfWork, fresh: Sequence[Report]) -> dict[str, _Settled]:
    """Decide new pours, book them and announce them."""
    known = await pours.gather_knowledge(unit, fresh)
    known.entries = await _entries_for(unit, known)
    settlements = [_settle_one(report, known) for report in fresh]
    balances = await _book(unit, settlements)
    rows = [
        _row(settlement, balance) for settlement, balance in zip(settlements, balances, strict=True)
    ]
    if await pours.save_pours(unit, rows) != len(rows):
        raise Retryable("Another instance took in one of these pours at the same moment.")
    await entries.match(unit, [(one.entry, one) for one in settlements if one.entry])
    outcomes = [(one.settles.grant_id, _grant_state(one)) for one in settlements if one.settles]
    if outcomes:
        await holds.settle_grants(unit, outcomes)
    for settlement, balance in zip(settlements, balances, strict=True):
        _announce(unit, settlement, balance)
    return {
        one.report.client_tx_id: _Settled(settlement=one, balance=balance)
        for one, balance in zip(settlements, balances, strict=True)
    }


async def _entries_for(unit: UnitOfWork, known: Knowledge) -> list[Entry]:
    """Return what staff entered by hand for these visits and no tap has sent yet.

    Their guests' accounts are locked first: an entry and its pour meet here, whoever comes first.
    """
    visits = list({visit.visit_id: visit for visit in known.of_all_visits()}.values())
    if not visits:
        return []
    await accounts.lock_balances(unit, {accounts.guest_account(one.guest_id) for one in visits})
    return await entries.unmatched(unit, [one.visit_id for one in visits])


def _settle_one(report: Report, known: Knowledge) -> Settlement:
    """Decide one pour; an entry that it matches is spent."""
    settled = domain.settle(report, known)
    if settled.entry:
        known.entries.remove(settled.entry)
    return settled


async def _book(unit: UnitOfWork, settlements: Sequence[Settlement]) -> list[int | None]:
    """Debit each billed pour's guest, credit the beverage's sales; return guests' balances."""
    guests = {accounts.guest_account(one.visit.guest_id) for one in settlements if one.visit}
    billed = [one for one in settlements if one.amount and one.visit]
    locked = await accounts.lock_balances(unit, guests | {_sales_account(one) for one in billed})
    bookings, postings = [], []
    for one in billed:
        booking_id = new_id()
        bookings.append(
            accounts.Booking(
                id=booking_id,
                kind="pour",
                reference=one.report.client_tx_id,
                actor=f"tap-{one.report.tap_id}",
            )
        )
        postings += _postings(one, booking_id)
    after = dict(locked)
    debits = iter(await accounts.book(unit, bookings, postings, locked) if postings else [])
    result: list[int | None] = []
    for one in settlements:
        if one.visit is None:
            result.append(None)
            continue
        guest = accounts.guest_account(one.visit.guest_id)
        if one.amount:
            after[guest] = next(debits)
            next(debits)
        result.append(after[guest])
    return result


def _postings(one: Settlement, booking_id: UUID) -> list[accounts.Posting]:
    if one.visit is None:
        return []
    guest = accounts.guest_account(one.visit.guest_id)
    return [
        accounts.Posting(booking_id=booking_id, account_id=guest, amount=-one.amount),
        accounts.Posting(booking_id=booking_id, account_id=_sales_account(one), amount=one.amount),
    ]


def _sales_account(one: Settlement) -> str:
    return f"sales:{one.beverage_id or 'unknown'}"


def _grant_state(one: Settlement) -> GrantState:
    return GrantState.HELD if one.status is Status.HELD else GrantState.CAPTURED


def _row(one: Settlement, balance: int | None) -> dict[str, Any]:
    report = one.report
    return {
        "client_tx_id": report.client_tx_id,
        "digest": report.digest.hex(),
        "short_id": report.short_id,
        "tap_id": report.tap_id,
        "location": report.location,
        "visit_id": _text(one.visit and one.visit.visit_id),
        "guest_id": _text(one.visit and one.visit.guest_id),
        "grant_id": _text(one.settles and one.settles.grant_id),
        "card_uid": report.card_uid,
        "keg_id": _text(one.keg_id),
        "beverage_id": _text(one.beverage_id),
        "volume_ml": str(report.volume_ml),
        "amount": one.amount,
        "balance_after": balance,
        "price_per_litre": one.price_per_litre,
        "status": one.status.value,
        "reason": one.reason,
        "sync_status": _sync_status(one),
        "entry_id": one.entry.client_tx_id if one.entry else None,
        "offline": report.offline,
        "ghost": one.ghost,
        "takes_keg": one.takes_keg,
        "started_at": one.span.started_at.isoformat(),
        "ended_at": one.span.ended_at.isoformat(),
        "received_at": report.received_at.isoformat(),
    }


def _sync_status(one: Settlement) -> str:
    """Return SY-1's word: what came late is synced once it is decided, reconciled by an entry."""
    if one.entry:
        return "reconciled"
    return "pending_sync" if one.report.offline and one.status is Status.HELD else "synced"


def _text(value: object) -> str | None:
    return text_of(value) if isinstance(value, UUID) else None


EVENTS: dict[Status, type[PourSettled]] = {
    Status.ACCEPTED: PourAccepted,
    Status.HELD: PourHeld,
    Status.RECONCILED: PourReconciled,
    Status.MISMATCH: PourMismatched,
}


def _announce(unit: UnitOfWork, one: Settlement, balance: int | None) -> None:
    unit.announce(
        _event(unit, one, EVENTS[one.status], balance=balance, status=PourStatus(one.status.value)),
        aggregate=f"pour:{one.report.client_tx_id}",
    )


def _event(
    unit: UnitOfWork,
    one: Settlement,
    model: type[PourSettled],
    *,
    balance: int | None,
    status: PourStatus,
) -> PourSettled:
    report = one.report
    return model.model_construct(
        client_tx_id=report.client_tx_id,
        short_id=report.short_id,
        tap_id=report.tap_id,
        location=report.location,
        visit_id=_text(one.visit and one.visit.visit_id),
        guest_id=_text(one.visit and one.visit.guest_id),
        settles_grant_id=_text(one.settles and one.settles.grant_id),
        beverage_id=_text(one.beverage_id),
        volume_ml=report.volume_ml,
        amount=one.amount,
        price_per_litre=one.price_per_litre,
        balance=balance,
        status=status,
        reason=one.reason,
        offline=report.offline,
        ghost=one.ghost,
        takes_keg=one.takes_keg,
        replaces=one.entry.client_tx_id if one.entry and one.takes_keg else None,
        pulses=report.pulses,
        started_at=one.span.started_at,
        ended_at=one.span.ended_at,
        received_at=report.received_at,
        accepted_at=unit.clock.now(),
    )


async def _note_mismatch(
    unit: UnitOfWork, report: Report, stored: dict[str, Row], settled: dict[str, _Settled]
) -> None:
    """Report other content under a known id, once; no money moves."""
    if not _differs(report, stored, settled) or not await pours.save_mismatch(unit, report):
        return
    known = await pours.gather_knowledge(unit, [report])
    other = domain.settle(report, known)
    if other.settles:
        await holds.settle_grants(unit, [(other.settles.grant_id, GrantState.CAPTURED)])
    event = _event(unit, other, PourMismatched, balance=None, status=PourStatus.MISMATCH)
    unit.announce(
        event.model_copy(
            update={"amount": 0, "reason": "same_id_other_content", "takes_keg": False}
        ),
        aggregate=f"pour:{report.client_tx_id}",
        version=2,
    )


def _differs(report: Report, stored: dict[str, Row], settled: dict[str, _Settled]) -> bool:
    first = settled.get(report.client_tx_id)
    if first:
        return first.settlement.report.digest != report.digest
    return bytes(stored[report.client_tx_id]["digest"]) != report.digest


async def _set_aside(unit: UnitOfWork, broken: Broken) -> None:
    await pours.save_dead_letter(
        unit,
        consumer=CONSUMER,
        subject=broken.subject,
        payload=broken.payload,
        reason=broken.reason,
        at=broken.received_at,
    )


def _answer(
    one: Report | Broken,
    stored: dict[str, Row],
    settled: dict[str, _Settled],
    told: set[str],
) -> Answer:
    """Return the answer to one message; `told` holds the ids whose first answer was given."""
    if isinstance(one, Broken):
        result = PourResult(
            client_tx_id=one.client_tx_id, status=PourStatus.REJECTED, reason=one.reason
        )
    elif _differs(one, stored, settled):
        result = PourResult(
            client_tx_id=one.client_tx_id,
            status=PourStatus.MISMATCH,
            reason="The same id came with other content before.",
        )
    elif one.client_tx_id in settled and one.client_tx_id not in told:
        told.add(one.client_tx_id)
        result = _first_answer(settled[one.client_tx_id])
    else:
        result = _repeated_answer(one, stored, settled)
    return Answer(tap_id=one.tap_id, location=one.location, result=result)


def _first_answer(new: _Settled) -> PourResult:
    """Return the first word on a pour; one that staff had entered costs what they were told."""
    one = new.settlement
    held = one.status is Status.HELD
    amount = one.entry.amount if one.entry else one.amount
    return PourResult(
        client_tx_id=one.report.client_tx_id,
        status=PourStatus(one.status.value),
        amount=None if held else amount,
        balance=None if held else new.balance,
        reason=one.reason,
    )


def _repeated_answer(
    report: Report, stored: dict[str, Row], settled: dict[str, _Settled]
) -> PourResult:
    """Answer a repeat: accepted ones are duplicates, others get their first status again."""
    new = settled.get(report.client_tx_id)
    if new:
        first = _first_answer(new)
    else:
        row = stored[report.client_tx_id]
        held = row["first_status"] == PourStatus.HELD
        first = PourResult(
            client_tx_id=report.client_tx_id,
            status=PourStatus(row["first_status"]),
            amount=None if held else row["told_amount"],
            balance=None if held else row["balance_after"],
            reason=row["reason"],
        )
    if first.status is PourStatus.ACCEPTED:
        return first.model_copy(update={"status": PourStatus.DUPLICATE})
    return first
