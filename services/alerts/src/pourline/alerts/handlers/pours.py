"""What pours and accounts tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pourline.alerts.domain.kinds import MAIN, Findings, Kind, Severity
from pourline.alerts.domain.pours import (
    MISMATCHES_CRITICAL,
    balance_findings,
    pour_findings,
    pour_is_decided,
)
from pourline.alerts.handlers.opening import apply, no_old_news, raise_kind
from pourline.alerts.store import alerts, known
from pourline.contracts.base import Envelope
from pourline.contracts.books import GuestCorrected, PourDecided
from pourline.contracts.money import GuestToppedUp, PourAccepted, PourHeld, PourMismatched
from pourline.kit.db import UnitOfWork

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CURRENCY = "EUR"
"""The currency until `currency` says otherwise (contract 1)."""


@dataclass(frozen=True, kw_only=True)
class Purse:
    """A guest's balance as it was at an instant."""

    balance: int
    location: str
    at: datetime


async def on_pours_accepted(events: Sequence[Envelope[PourAccepted]], unit: UnitOfWork) -> None:
    """Look for flow that nobody asked for, and for guests who owe."""
    pours = [event.data for event in events]
    await apply(unit, [_about_pour(pour, Kind.GHOST_POUR) for pour in pours if pour.ghost])
    charged = {
        pour.guest_id: Purse(balance=pour.balance, location=pour.location, at=pour.accepted_at)
        for pour in sorted(pours, key=lambda one: one.accepted_at)
        if pour.guest_id and pour.balance is not None
    }
    fresh = await _newest(unit, charged)
    # A pour never settles a debt: looking only at those who owe spares the others a statement.
    await _look(unit, {who: purse for who, purse in fresh.items() if purse.balance < 0})


async def on_pours_held(events: Sequence[Envelope[PourHeld]], unit: UnitOfWork) -> None:
    """Tell staff of pours that wait for a person."""
    news = await no_old_news(unit, events)
    await apply(unit, [_about_pour(event.data, Kind.POUR_HELD) for event in news])


async def on_pours_decided(events: Sequence[Envelope[PourDecided]], unit: UnitOfWork) -> None:
    """End the alerts of pours that a person decided."""
    news = await no_old_news(unit, events)
    await apply(unit, [pour_is_decided(event.data.client_tx_id) for event in news])


async def on_pours_mismatched(events: Sequence[Envelope[PourMismatched]], unit: UnitOfWork) -> None:
    """Tell staff of two words on one pour; from a number of them on they are critical."""
    await apply(unit, [_about_pour(event.data, Kind.SYNC_MISMATCH) for event in events])
    many = await known.number(unit, "sync_mismatch_critical_count", MISMATCHES_CRITICAL)
    for location in sorted({event.data.location for event in events}):
        standing = await alerts.count_standing(unit, kind=Kind.SYNC_MISMATCH, location=location)
        if standing >= many:
            await raise_kind(unit, kind=Kind.SYNC_MISMATCH, location=location, to=Severity.CRITICAL)


async def on_corrections(events: Sequence[Envelope[GuestCorrected]], unit: UnitOfWork) -> None:
    """End or open the alert of a guest whose account was set right."""
    moved = {
        event.data.guest_id: Purse(balance=event.data.balance, location=MAIN, at=event.data.at)
        for event in events
    }
    await _look(unit, await _newest(unit, moved))


async def on_topups(events: Sequence[Envelope[GuestToppedUp]], unit: UnitOfWork) -> None:
    """End the alert of a guest who paid."""
    topups = sorted((event.data for event in events), key=lambda topup: topup.at)
    paid = {one.guest_id: Purse(balance=one.balance, location=MAIN, at=one.at) for one in topups}
    fresh = await _newest(unit, paid)
    # Who paid a part still owes: the alert stands with what was owed until it is all paid.
    await _look(unit, {who: purse for who, purse in fresh.items() if purse.balance >= 0})


async def _newest(unit: UnitOfWork, purses: Mapping[str, Purse]) -> dict[str, Purse]:
    """Return the balances that are no old news."""
    versions = {f"balance:{who}": _microseconds(purse.at) for who, purse in purses.items()}
    fresh = await known.note_newest(unit, versions)
    return {who: purse for who, purse in purses.items() if f"balance:{who}" in fresh}


async def _look(unit: UnitOfWork, purses: Mapping[str, Purse]) -> None:
    if not purses:
        return
    currency = await known.text(unit, "currency", CURRENCY)
    await apply(
        unit,
        [
            balance_findings(
                guest_id=guest_id,
                balance=purse.balance,
                currency=currency,
                location=purse.location,
            )
            for guest_id, purse in purses.items()
        ],
    )


def _microseconds(at: datetime) -> int:
    """Return an instant as a number: what one account's balances are ordered by."""
    return int((at - EPOCH) / timedelta(microseconds=1))


def _about_pour(pour: PourAccepted | PourHeld | PourMismatched, kind: Kind) -> Findings:
    return pour_findings(
        client_tx_id=pour.client_tx_id,
        tap_id=pour.tap_id,
        location=pour.location,
        kind=kind,
        reason=pour.reason,
    )
