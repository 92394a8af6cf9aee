"""Beverages and kegs: receiving, suggesting, connecting, and what pours take from them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pourline.contracts import cellar
from pourline.contracts.base import Envelope, Listing, place, place_of
from pourline.contracts.cellar import Beverage, Keg, KegSuggestion
from pourline.contracts.money import PriceChanged
from pourline.contracts.taps import TapRegistered
from pourline.keg_fifo import domain
from pourline.keg_fifo.domain import KegStatus
from pourline.keg_fifo.errors import (
    BeverageMismatch,
    BeverageUnknown,
    KegNotInStock,
    KegUnknown,
    NoKegConnected,
    TapUnknown,
)
from pourline.keg_fifo.handlers.record import on_record
from pourline.keg_fifo.store import kegs
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context

CANDIDATES_MAX = 20


def known_id(text: str, unknown: type[NotFound]) -> UUID:
    """Return `text` as an id; raises `unknown` for one that can name nothing."""
    found = parse_id(text)
    if found is None:
        raise unknown
    return found


async def create_beverage(
    order: cellar.CreateBeverage, unit: UnitOfWork, context: Context
) -> Beverage:
    """Add a beverage with its first price."""
    values = {"id": new_id(), "at": unit.clock.now(), **order.model_dump()}
    row = await kegs.insert_beverage(unit, values)
    unit.announce(
        cellar.BeverageCreated(
            beverage_id=str(row["id"]),
            name=row["name"],
            kind=row["kind"],
            price_per_litre=row["price_per_litre"],
            abv=row["abv"],
            at=row["created_at"],
        ),
        aggregate=f"beverage:{row['id']}",
    )
    on_record(
        unit,
        "beverage_created",
        f"beverage:{row['id']}",
        actor=context.actor,
        after=order.model_dump(mode="json", exclude_none=True),
    )
    return beverage_of(row)


async def list_beverages(
    query: cellar.ListBeverages, unit: UnitOfWork, context: Context
) -> Listing[Beverage]:
    """Return beverages in order of creation."""
    del context
    after = parse_id(query.cursor) if query.cursor else None
    rows = await kegs.list_beverages(unit, after=after, limit=query.limit + 1)
    page = [beverage_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Beverage](items=page, next=page[-1].id if more else None)


async def get_beverage(query: cellar.GetBeverage, unit: UnitOfWork, context: Context) -> Beverage:
    """Return one beverage; raises `BeverageUnknown`."""
    del context
    return beverage_of(await _beverage(unit, query.beverage_id))


async def receive_keg(order: cellar.ReceiveKeg, unit: UnitOfWork, context: Context) -> Keg:
    """Take a keg into stock; raises `BeverageUnknown`."""
    beverage = await _beverage(unit, order.beverage_id)
    keg_id = new_id()
    values = {
        "id": keg_id,
        "beverage_id": beverage["id"],
        "volume_ml": order.volume_ml,
        "received_at": order.received_at or unit.clock.now(),
    }
    await kegs.insert_keg(unit, values)
    after = order.model_dump(mode="json", exclude_none=True)
    on_record(unit, "keg_received", f"keg:{keg_id}", actor=context.actor, after=after)
    return keg_of(await _keg(unit, keg_id))


async def list_kegs(query: cellar.ListKegs, unit: UnitOfWork, context: Context) -> Listing[Keg]:
    """Return kegs, oldest receipt first."""
    del context
    beverage_id = parse_id(query.beverage_id) if query.beverage_id else None
    if query.beverage_id and beverage_id is None:
        return Listing[Keg](items=[])
    rows = await kegs.list_kegs(
        unit,
        status=query.status.value if query.status else None,
        beverage_id=beverage_id,
        after=_cursor(query.cursor),
        limit=query.limit + 1,
    )
    page = [keg_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    last = place(page[-1].received_at, page[-1].id) if more else None
    return Listing[Keg](items=page, next=last)


async def suggest_keg(
    query: cellar.SuggestKeg, unit: UnitOfWork, context: Context
) -> KegSuggestion:
    """Return the keg to connect next: the oldest receipt of the beverage (KG-2)."""
    del context
    beverage = await _beverage(unit, query.beverage_id)
    line = await _line(unit, beverage["id"])
    found = [keg_of(row) for row in line]
    return KegSuggestion(keg=found[0] if found else None, reason=_why(line), candidates=found)


async def _line(unit: UnitOfWork, beverage_id: UUID) -> list[Row]:
    """Return the kegs of a beverage that could be connected next, the first in line ahead."""
    rows = await kegs.list_kegs(
        unit,
        status=KegStatus.IN_STOCK.value,
        beverage_id=beverage_id,
        after=None,
        limit=CANDIDATES_MAX,
    )
    return [row for row in rows if row["remaining_ml"] > 0]


def _why(line: Sequence[Row]) -> str:
    if not line:
        return "no keg of this beverage in stock"
    first, second = line[0], line[1:2]
    reason = f"oldest receipt of {first['beverage_name']}: {first['received_at'].isoformat()}"
    return reason + "".join(f"; the next: {one['received_at'].isoformat()}" for one in second)


async def connect_keg(order: cellar.ConnectKeg, unit: UnitOfWork, context: Context) -> Keg:
    """Connect a keg; over a connected one it swaps.

    What the first in line was is told beside it, and why it is another, if it is (KG-2).
    Raises `TapUnknown`, `KegUnknown`, `KegNotInStock`, `BeverageMismatch`.
    """
    tap = await kegs.lock_tap(unit, order.tap_id)
    if tap is None:
        raise TapUnknown
    keg, old = await _lock_both(unit, known_id(order.keg_id, KegUnknown), order.tap_id)
    if old and old["id"] == keg["id"]:
        return keg_of(keg)
    if keg["status"] != KegStatus.IN_STOCK:
        raise KegNotInStock
    wanted = tap["beverage_id"] or (old["beverage_id"] if old else None)
    if wanted and keg["beverage_id"] != wanted:
        raise BeverageMismatch
    now = _after(await kegs.last_connected_at(unit, order.tap_id), unit.clock.now())
    line = await _line(unit, keg["beverage_id"])
    if old:
        await _disconnect(unit, old, _status_after(order, old), now, context, swapped=True)
    await kegs.connect(unit, keg_id=keg["id"], tap_id=order.tap_id, at=now)
    unit.announce(
        cellar.KegConnected(
            keg_id=str(keg["id"]),
            tap_id=order.tap_id,
            beverage_id=str(keg["beverage_id"]),
            beverage_name=keg["beverage_name"],
            volume_ml=keg["volume_ml"],
            remaining_ml=keg["remaining_ml"],
            connected_at=now,
            suggested_keg_id=str(line[0]["id"]) if line else None,
            suggestion=_why(line),
            reason=order.reason or None,
            actor=context.actor,
        ),
        aggregate=f"keg:{keg['id']}",
        version=keg["version"] + 1,
    )
    return keg_of(await _keg(unit, keg["id"]))


async def _lock_both(unit: UnitOfWork, keg_id: UUID, tap_id: str) -> tuple[Row, Row | None]:
    """Lock a keg and the one on a locked tap, in order of id; raises `KegUnknown`."""
    on_tap = await kegs.id_on_tap(unit, tap_id)
    found = await kegs.lock_kegs(unit, [keg_id, *([on_tap] if on_tap else [])])
    if keg_id not in found:
        raise KegUnknown
    return found[keg_id], found[on_tap] if on_tap else None


def _status_after(order: cellar.ConnectKeg, old: Row) -> KegStatus:
    """Return what a swapped-out keg becomes: what a person says, else by its level."""
    if order.disposition:
        return KegStatus(order.disposition.value)
    return domain.status_after_disconnect(old["remaining_ml"])


def _after(earlier: datetime | None, now: datetime) -> datetime:
    """Return `now`, or an instant after `earlier`: a tap's history runs forward, clocks or not."""
    return max(now, earlier + timedelta(microseconds=1)) if earlier else now


async def disconnect_keg(order: cellar.DisconnectKeg, unit: UnitOfWork, context: Context) -> Keg:
    """Take the keg off a tap; raises `TapUnknown`, `NoKegConnected`."""
    if await kegs.lock_tap(unit, order.tap_id) is None:
        raise TapUnknown
    old = await kegs.keg_on_tap(unit, order.tap_id)
    if old is None:
        raise NoKegConnected
    now = _after(old["connected_at"], unit.clock.now())
    status = KegStatus(order.disposition.value)
    await _disconnect(unit, old, status, now, context, swapped=False)
    return keg_of(await _keg(unit, old["id"]))


async def _disconnect(
    unit: UnitOfWork, keg: Row, status: KegStatus, at: datetime, context: Context, *, swapped: bool
) -> None:
    await kegs.disconnect(unit, keg_id=keg["id"], status=status, at=at)
    unit.announce(
        cellar.KegDisconnected(
            keg_id=str(keg["id"]),
            tap_id=keg["tap_id"],
            status=cellar.KegStatus(status.value),
            swapped=swapped,
            remaining_ml=keg["remaining_ml"],
            disconnected_at=at,
            actor=context.actor,
        ),
        aggregate=f"keg:{keg['id']}",
        version=keg["version"] + 1,
    )


async def know_taps(events: Sequence[Envelope[TapRegistered]], unit: UnitOfWork) -> None:
    """Know taps and what they are to pour."""
    for event in events:
        beverage = event.data.beverage_id
        await kegs.save_tap(
            unit,
            tap_id=event.data.tap_id,
            location=event.data.location,
            beverage_id=UUID(beverage) if beverage else None,
        )


async def know_prices(events: Sequence[Envelope[PriceChanged]], unit: UnitOfWork) -> None:
    """Know beverages' prices, present and to come."""
    for event in events:
        await kegs.save_price(
            unit,
            beverage_id=UUID(event.data.beverage_id),
            price_per_litre=event.data.price_per_litre,
            from_at=event.data.from_at,
        )


async def tap_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the tap that a malformed message is about is there."""
    return await kegs.lock_tap(unit, str(raw.get("tap_id", ""))) is not None


async def beverage_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the beverage that a malformed message names, if it names one, is there."""
    named = raw.get("beverage_id")
    if not isinstance(named, str):
        return True
    beverage_id = parse_id(named)
    return beverage_id is not None and await kegs.find_beverage(unit, beverage_id) is not None


async def _beverage(unit: UnitOfWork, text: str) -> Row:
    row = await kegs.find_beverage(unit, known_id(text, BeverageUnknown))
    if row is None:
        raise BeverageUnknown
    return row


async def _keg(unit: UnitOfWork, keg_id: UUID, *, for_update: bool = False) -> Row:
    row = await kegs.find_keg(unit, keg_id, for_update=for_update)
    if row is None:
        raise KegUnknown
    return row


def _cursor(text: str | None) -> tuple[datetime, UUID] | None:
    if text is None:
        return None
    at, keg_id = place_of(text)
    found = parse_id(keg_id)
    return (at, found) if found else None


def beverage_of(row: Row) -> Beverage:
    """Return a beverage's row as the contract shows it."""
    return Beverage(
        id=str(row["id"]),
        name=row["name"],
        kind=row["kind"],
        price_per_litre=row["price_per_litre"],
        abv=row["abv"],
        created_at=row["created_at"],
    )


def keg_of(row: Row) -> Keg:
    """Return a keg's row as the contract shows it."""
    return Keg(
        **{
            name: str(value) if isinstance(value := row[name], UUID) else value
            for name in Keg.model_fields
        }
    )
