"""Counting what happens, for the shift that it belongs to."""

from collections.abc import Sequence

from pourline.contracts.base import Envelope
from pourline.contracts.books import GuestCorrected
from pourline.contracts.evening import AlertOpened
from pourline.contracts.guests import AccessDenied
from pourline.contracts.money import GuestRefunded, GuestToppedUp, PourAccepted
from pourline.contracts.packages import SaleRecorded
from pourline.contracts.stock import MovementSource, StockCorrected
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import UnitOfWork
from pourline.shift import domain, store
from pourline.shift.domain import Figures, Happening, Split

MAIN = "main"
"""Where money is taken: a guest's account has no location of its own."""
UNKNOWN = "unknown"


async def count_pours(events: Sequence[Envelope[PourAccepted]], unit: UnitOfWork) -> None:
    """Count each pour for the shift it began in; the end of a session without one is none."""
    await _count(unit, [_pour(event.data) for event in events if event.data.volume_ml > 0])


def _pour(pour: PourAccepted) -> Happening:
    def split(by: str, key: str, what: str = "pours") -> Split:
        return Split(by=by, key=key, what=what, volume_ml=pour.volume_ml, amount=pour.amount)

    splits = [split("tap", pour.tap_id), split("beverage", pour.beverage_id or UNKNOWN)]
    if pour.entered_by:
        splits.append(split("member", pour.entered_by, "manual_entries"))
    return Happening(
        location=pour.location,
        at=pour.started_at,
        figures=Figures(pours=1, volume_ml=pour.volume_ml, revenue=pour.amount),
        splits=tuple(splits),
    )


async def count_topups(events: Sequence[Envelope[GuestToppedUp]], unit: UnitOfWork) -> None:
    """Count what guests paid in."""
    await _count(
        unit,
        [_money(event.data, "topups", Figures(topups=event.data.amount)) for event in events],
    )


async def count_refunds(events: Sequence[Envelope[GuestRefunded]], unit: UnitOfWork) -> None:
    """Count what guests were paid back."""
    await _count(
        unit,
        [_money(event.data, "refunds", Figures(refunds=event.data.amount)) for event in events],
    )


def _money(paid: GuestToppedUp, what: str, figures: Figures) -> Happening:
    return Happening(
        location=MAIN,
        at=paid.at,
        figures=figures,
        splits=(
            Split(by="method", key=paid.method, what=what, amount=paid.amount),
            Split(by="member", key=paid.actor, what=what, amount=paid.amount),
        ),
    )


async def count_corrections(events: Sequence[Envelope[GuestCorrected]], unit: UnitOfWork) -> None:
    """Count what accounts were set right by."""
    await _count(
        unit,
        [
            Happening(
                location=MAIN,
                at=one.at,
                splits=(Split(by="member", key=one.actor, what="corrections", amount=one.amount),),
            )
            for one in (event.data for event in events)
        ],
    )


async def count_denials(events: Sequence[Envelope[AccessDenied]], unit: UnitOfWork) -> None:
    """Count cards that were refused."""
    await _count(
        unit,
        [
            Happening(
                location=one.location,
                at=one.denied_at,
                figures=Figures(denials=1),
                splits=(Split(by="reason", key=one.reason, what="denials"),),
            )
            for one in (event.data for event in events)
        ],
    )


async def count_alerts(events: Sequence[Envelope[AlertOpened]], unit: UnitOfWork) -> None:
    """Count alerts that opened."""
    await _count(
        unit,
        [
            Happening(
                location=one.location,
                at=one.at,
                splits=(Split(by="alert", key=one.kind, what="alerts"),),
            )
            for one in (event.data for event in events)
        ],
    )


async def count_sales(events: Sequence[Envelope[SaleRecorded]], unit: UnitOfWork) -> None:
    """Count what the point of sale sold; its money is in its own till."""
    await _count(
        unit,
        [
            Happening(
                location=one.location,
                at=one.at,
                splits=(Split(by="member", key=one.sold_by, what="sales", amount=one.amount),),
            )
            for one in (event.data for event in events)
        ],
    )


async def count_discrepancies(events: Sequence[Envelope[StockCorrected]], unit: UnitOfWork) -> None:
    """Count by how much counts of the stock were off."""
    await _count(
        unit,
        [
            Happening(
                location=MAIN,
                at=one.at,
                splits=(
                    Split(by="item", key=one.item_id, what="discrepancies", quantity=one.delta),
                ),
            )
            for one in (event.data for event in events)
            if one.source is MovementSource.RECONCILIATION and one.delta != 0
        ],
    )


KNOWN = {domain.AUTHORITY, domain.ZONE, domain.DAY_BEGINS}


async def know_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know whether blockers block, and which day it is."""
    for event in events:
        if event.data.key in KNOWN:
            await store.save_config(
                unit, key=event.data.key, value=event.data.value, version=event.version
            )


async def _count(unit: UnitOfWork, counted: Sequence[Happening]) -> None:
    open_shifts = await store.open_shifts(unit, {one.location for one in counted})
    await store.add_figures(unit, domain.sum_up(counted, open_shifts))
    await store.add_splits(unit, domain.split_up(counted, open_shifts))
