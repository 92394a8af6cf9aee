"""Keeping up with others' data: visits, cards, taps, kegs, prices, settings, opened locks."""

from collections.abc import Sequence
from uuid import UUID

from pourline.contracts.base import Envelope
from pourline.contracts.cellar import BeverageCreated, KegConnected, KegDisconnected
from pourline.contracts.guests import LockReleased, VisitCardBound, VisitClosed, VisitOpened
from pourline.contracts.taps import ConfigChanged, TapRegistered
from pourline.kit.db import UnitOfWork
from pourline.ledger.store import copies, holds


async def know_visits(events: Sequence[Envelope[VisitOpened]], unit: UnitOfWork) -> None:
    """Know opened visits and the cards they came with."""
    for event in events:
        visit = event.data
        visit_id = UUID(visit.visit_id)
        await copies.save_visit(
            unit,
            visit_id=visit_id,
            guest_id=UUID(visit.guest_id),
            opened_at=visit.opened_at,
        )
        if visit.card_uid:
            await copies.bind_card(
                unit, card_uid=visit.card_uid, visit_id=visit_id, bound_at=visit.opened_at
            )


async def know_cards(events: Sequence[Envelope[VisitCardBound]], unit: UnitOfWork) -> None:
    """Know which visit a card is of."""
    for event in events:
        await copies.bind_card(
            unit,
            card_uid=event.data.card_uid,
            visit_id=UUID(event.data.visit_id),
            bound_at=event.data.bound_at,
        )


async def know_closed_visits(events: Sequence[Envelope[VisitClosed]], unit: UnitOfWork) -> None:
    """Know when visits ended."""
    for event in events:
        await copies.close_visit(
            unit,
            visit_id=UUID(event.data.visit_id),
            guest_id=UUID(event.data.guest_id),
            closed_at=event.data.closed_at,
        )


async def free_money_of_opened_locks(
    events: Sequence[Envelope[LockReleased]], unit: UnitOfWork
) -> None:
    """Void the holds of locks that opened without a pour."""
    for event in events:
        await holds.void_hold(
            unit, grant_id=UUID(event.data.grant_id), visit_id=UUID(event.data.visit_id)
        )


async def know_beverages(events: Sequence[Envelope[BeverageCreated]], unit: UnitOfWork) -> None:
    """Know a beverage's first price."""
    for event in events:
        await copies.save_price(
            unit,
            beverage_id=UUID(event.data.beverage_id),
            from_at=event.data.at,
            price_per_litre=event.data.price_per_litre,
        )


async def know_connected_kegs(events: Sequence[Envelope[KegConnected]], unit: UnitOfWork) -> None:
    """Know which keg is on a tap."""
    for event in events:
        await copies.connect_keg(
            unit,
            tap_id=event.data.tap_id,
            keg_id=UUID(event.data.keg_id),
            beverage_id=UUID(event.data.beverage_id),
            at=event.data.connected_at,
        )


async def know_disconnected_kegs(
    events: Sequence[Envelope[KegDisconnected]], unit: UnitOfWork
) -> None:
    """Know which keg is off its tap."""
    for event in events:
        await copies.disconnect_keg(
            unit,
            tap_id=event.data.tap_id,
            keg_id=UUID(event.data.keg_id),
            at=event.data.disconnected_at,
        )


async def know_taps(events: Sequence[Envelope[TapRegistered]], unit: UnitOfWork) -> None:
    """Know where taps are, how their readers write card ids and what they were made for."""
    for event in events:
        beverage_id = event.data.beverage_id
        await copies.save_tap(
            unit,
            tap_id=event.data.tap_id,
            location=event.data.location,
            reader_profile=event.data.reader_profile,
            beverage_id=UUID(beverage_id) if beverage_id else None,
        )


async def know_config(events: Sequence[Envelope[ConfigChanged]], unit: UnitOfWork) -> None:
    """Know the settings that the ledger heeds."""
    for event in events:
        if event.data.key in HEEDED:
            await copies.save_config(
                unit, key=event.data.key, value=event.data.value, version=event.version
            )


HEEDED = frozenset({"FF_MANUAL_POUR_RECONCILE", "currency", "timezone", "business_day_begins"})
