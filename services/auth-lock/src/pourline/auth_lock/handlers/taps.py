"""Taps: registering, staff's orders, and keeping up with kegs, prices and links."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pourline.auth_lock.domain import TapState
from pourline.auth_lock.errors import TapExists, TapUnknown
from pourline.auth_lock.handlers.locks import announce_states
from pourline.auth_lock.store import audit, beverages, lines, taps
from pourline.auth_lock.store.taps import StatusWord
from pourline.contracts import taps as contract
from pourline.contracts.base import Envelope, Listing
from pourline.contracts.cellar import (
    BeverageCreated,
    KegConnected,
    KegDisconnected,
    KegLevelChanged,
)
from pourline.contracts.losses import TapCleaned
from pourline.contracts.money import PriceChanged
from pourline.contracts.taps import Tap, TapWithSecret
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context

SECRET_BYTES = 32


async def create_tap(
    order: contract.CreateTap, unit: UnitOfWork, context: Context
) -> TapWithSecret:
    """Register a tap and make its secret, shown this once; raises `TapExists`."""
    beverage_id = parse_id(order.beverage_id) if order.beverage_id else None
    if order.beverage_id and beverage_id is None:
        raise NotFound("There is no such beverage.")
    secret = secrets.token_hex(SECRET_BYTES)
    values = {
        "id": order.id,
        "name": order.name,
        "location": order.location,
        "secret_hash": hashlib.sha256(secret.encode()).digest(),
        "beverage_id": beverage_id,
        "reader_profile": order.reader_profile,
    }
    if not await taps.insert_tap(unit, values=values):
        raise TapExists
    await _on_record(unit, context, "tap_registered", order.id)
    unit.announce(
        contract.TapRegistered(
            tap_id=order.id,
            name=order.name,
            location=order.location,
            beverage_id=order.beverage_id,
            reader_profile=order.reader_profile,
        ),
        aggregate=f"tap:{order.id}",
    )
    tap = await _tap(unit, order.id)
    return TapWithSecret(**tap.model_dump(), secret=secret)


async def get_tap(query: contract.GetTap, unit: UnitOfWork, context: Context) -> Tap:
    """Return one tap; raises `TapUnknown`."""
    del context
    return await _tap(unit, query.tap_id)


async def list_taps(query: contract.ListTaps, unit: UnitOfWork, context: Context) -> Listing[Tap]:
    """Return all taps in order of id."""
    del context
    rows = await taps.list_taps(unit, after=query.cursor or "", limit=query.limit + 1)
    page = [tap_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Tap](items=page, next=page[-1].id if more else None)


async def stop_tap(order: contract.StopTap, unit: UnitOfWork, context: Context) -> Tap:
    """Keep a tap's valve shut until it is resumed; raises `TapUnknown`."""
    return await _order(unit, order, context, TapState.STOPPED)


async def clean_tap(order: contract.CleanTap, unit: UnitOfWork, context: Context) -> Tap:
    """Take a tap out of service for line cleaning; raises `TapUnknown`."""
    return await _order(unit, order, context, TapState.CLEANING)


async def resume_tap(order: contract.ResumeTap, unit: UnitOfWork, context: Context) -> Tap:
    """Let a tap pour again; raises `TapUnknown`."""
    return await _order(unit, order, context, None)


async def reset_sync(order: contract.ResetTapSync, unit: UnitOfWork, context: Context) -> Tap:
    """Declare a tap's pending pours settled until a newer status; raises `TapUnknown`."""
    if not await taps.reset_sync(unit, tap_id=order.tap_id):
        raise TapUnknown
    await _on_record(unit, context, "tap_sync_reset", order.tap_id, order.reason)
    await announce_states(unit, [order.tap_id])
    return await _tap(unit, order.tap_id)


async def report_foam(order: contract.ReportFoam, unit: UnitOfWork, context: Context) -> Tap:
    """Tell staff that a guest says a tap pours foam; raises `TapUnknown`."""
    tap = await _tap(unit, order.tap_id)
    await _on_record(unit, context, "tap_foam_reported", tap.id)
    unit.announce(
        contract.FoamReported(
            tap_id=tap.id,
            location=tap.location,
            visit_id=tap.locked_by_visit,
            at=unit.clock.now(),
        ),
        aggregate=f"foam:{tap.id}",
    )
    return tap


async def _order(
    unit: UnitOfWork, order: contract.TapOrder, context: Context, state: TapState | None
) -> Tap:
    if not await taps.set_order(unit, tap_id=order.tap_id, order=state, reason=order.reason):
        raise TapUnknown
    if state is TapState.CLEANING:
        await lines.begin_cleaning(unit, order.tap_id)
    else:
        await _end_cleaning(unit, order.tap_id, context, is_done=state is None)
    if state is None:
        await lines.clear_gas(unit, order.tap_id)
    action = f"tap_{state.value}" if state else "tap_resumed"
    await _on_record(unit, context, action, order.tap_id, order.reason)
    await announce_states(unit, [order.tap_id])
    return await _tap(unit, order.tap_id)


async def _end_cleaning(unit: UnitOfWork, tap_id: str, context: Context, *, is_done: bool) -> None:
    """Tell of a cleaning that is over; only one that ends by resuming the tap made it clean."""
    over = await lines.end_cleaning(unit, tap_id, is_done=is_done)
    if over is None:
        return
    unit.announce(
        TapCleaned(
            tap_id=tap_id,
            location=over["location"],
            began_at=over["began_at"],
            ended_at=over["ended_at"],
            due_at=over["due_at"],
            actor=context.actor,
        ),
        aggregate=f"cleaning:{tap_id}:{over['began_at'].isoformat()}",
    )


async def _on_record(
    unit: UnitOfWork, context: Context, action: str, tap_id: str, reason: str | None = None
) -> None:
    await audit.record(
        unit, actor=context.actor, action=action, subject=f"tap:{tap_id}", reason=reason
    )


async def tap_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the tap that a malformed message is about is there."""
    return await taps.find_tap(unit, str(raw.get("tap_id", ""))) is not None


async def take_status(unit: UnitOfWork, words: Sequence[StatusWord]) -> None:
    """Know taps' links, in the broker's order; the newest word of each tap counts."""
    newest = {word.tap_id: word for word in sorted(words, key=lambda word: (word.at, word.seq))}
    await taps.lock(unit, newest)
    relinked = {
        tap_id for tap_id, word in sorted(newest.items()) if await taps.save_status(unit, word)
    }
    await announce_states(unit, list(newest), relinked=relinked)


async def know_connected_kegs(events: Sequence[Envelope[KegConnected]], unit: UnitOfWork) -> None:
    """Know which keg is on a tap."""
    await taps.lock(unit, (event.data.tap_id for event in events))
    for event in events:
        beverage_id = UUID(event.data.beverage_id)
        await beverages.save_beverage(unit, beverage_id=beverage_id, name=event.data.beverage_name)
        await taps.connect_keg(unit, event.data, version=event.version)
        await _keg_on_record(unit, event.data)
    await announce_states(unit, [event.data.tap_id for event in events])


async def _keg_on_record(unit: UnitOfWork, keg: KegConnected) -> None:
    """Record a connected keg beside the one that was first in line (KG-2)."""
    first = keg.suggested_keg_id
    in_line = first is None or first == keg.keg_id
    await audit.record(
        unit,
        actor=keg.actor,
        action="keg_connected" if in_line else "keg_connected_out_of_line",
        subject=f"tap:{keg.tap_id}",
        reason=keg.reason,
        after=keg.model_dump(
            mode="json",
            include={"keg_id", "suggested_keg_id", "suggestion", "remaining_ml"},
            exclude_none=True,
        ),
    )


async def know_disconnected_kegs(
    events: Sequence[Envelope[KegDisconnected]], unit: UnitOfWork
) -> None:
    """Know that a tap's keg is off."""
    await taps.lock(unit, (event.data.tap_id for event in events))
    for event in events:
        await taps.disconnect_keg(
            unit,
            tap_id=event.data.tap_id,
            keg_id=UUID(event.data.keg_id),
            at=event.data.disconnected_at,
        )
        await audit.record(
            unit,
            actor=event.data.actor,
            action="keg_disconnected",
            subject=f"tap:{event.data.tap_id}",
            after=event.data.model_dump(
                mode="json", include={"keg_id", "status", "swapped", "remaining_ml"}
            ),
        )
    await announce_states(unit, [event.data.tap_id for event in events])


async def know_keg_levels(events: Sequence[Envelope[KegLevelChanged]], unit: UnitOfWork) -> None:
    """Know what is left in connected kegs: the newest level of each."""
    in_order = sorted(events, key=lambda event: event.version)
    newest = {event.data.keg_id: event for event in in_order}
    tap_ids = await taps.taps_of_kegs(unit, [UUID(keg_id) for keg_id in newest])
    await taps.lock(unit, tap_ids)
    for keg_id, event in newest.items():
        await taps.save_level(
            unit,
            keg_id=UUID(keg_id),
            remaining_ml=event.data.remaining_ml,
            version=event.version,
        )
    if tap_ids:
        await announce_states(unit, tap_ids)


async def know_beverages(events: Sequence[Envelope[BeverageCreated]], unit: UnitOfWork) -> None:
    """Know a beverage's name and first price."""
    for event in events:
        beverage_id = UUID(event.data.beverage_id)
        await beverages.save_beverage(
            unit,
            beverage_id=beverage_id,
            name=event.data.name,
            kind=event.data.kind,
            abv=event.data.abv,
        )
        await beverages.save_price(
            unit,
            beverage_id=beverage_id,
            from_at=event.data.at,
            price_per_litre=event.data.price_per_litre,
        )


async def know_prices(events: Sequence[Envelope[PriceChanged]], unit: UnitOfWork) -> None:
    """Know a beverage's price from an instant on, and tell it on its taps."""
    for event in events:
        beverage_id = UUID(event.data.beverage_id)
        await beverages.save_price(
            unit,
            beverage_id=beverage_id,
            from_at=event.data.from_at,
            price_per_litre=event.data.price_per_litre,
        )
        await announce_states(unit, await beverages.taps_of_beverage(unit, beverage_id))


async def _tap(unit: UnitOfWork, tap_id: str) -> Tap:
    row = await taps.find_tap(unit, tap_id)
    if row is None:
        raise TapUnknown
    return tap_of(row)


def tap_of(row: Row) -> Tap:
    """Return a tap's row as the contract shows it."""
    return Tap(
        **{
            name: str(value) if isinstance(value := row[name], UUID) else value
            for name in Tap.model_fields
        }
    )
