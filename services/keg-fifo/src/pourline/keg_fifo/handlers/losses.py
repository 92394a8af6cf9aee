"""What became of kegs' beer: classes of pours, cleanings, yield, and the outlook."""

from collections.abc import Sequence
from decimal import Decimal

from pourline.contracts import losses as contract
from pourline.contracts.base import Envelope
from pourline.contracts.books import PourDecided
from pourline.contracts.losses import (
    Forecast,
    KegForecast,
    KegYield,
    LossClass,
    Losses,
    LossSum,
    TapCleaned,
)
from pourline.contracts.money import PourHeld, PourSettled
from pourline.keg_fifo.domain import KegStatus
from pourline.keg_fifo.domain.losses import (
    FORECAST_LOOKS_BACK,
    PourClass,
    Told,
    class_of,
    fresh_days,
    outlook,
    rest_class,
    yield_of,
)
from pourline.keg_fifo.errors import KegUnknown
from pourline.keg_fifo.handlers.kegs import known_id
from pourline.keg_fifo.store import kegs
from pourline.keg_fifo.store import losses as store
from pourline.kit.db import UnitOfWork
from pourline.kit.nats import Context

NOTHING = Decimal(0)


async def classify(unit: UnitOfWork, pours: Sequence[PourSettled]) -> None:
    """Keep what pours were, where they were not simply poured for a guest or were decided."""
    decided = [one.client_tx_id for one in pours if isinstance(one, PourDecided)]
    classes = {one.client_tx_id: class_of(_told(one)) for one in pours}
    kept = {
        key: one for key, one in classes.items() if one is not PourClass.POURED or key in decided
    }
    if kept:
        await store.save_classes(unit, kept, decided=decided)


def _told(pour: PourSettled) -> Told:
    return Told(
        is_held=isinstance(pour, PourHeld),
        is_ghost=pour.ghost,
        price_per_litre=pour.price_per_litre,
        decision=pour.decision.value if isinstance(pour, PourDecided) else None,
    )


async def know_cleanings(events: Sequence[Envelope[TapCleaned]], unit: UnitOfWork) -> None:
    """Know when lines were cleaned."""
    for event in events:
        await store.save_cleaning(
            unit,
            tap_id=event.data.tap_id,
            began_at=event.data.began_at,
            ended_at=event.data.ended_at,
            actor=event.data.actor,
        )


async def keg_yield(query: contract.GetKegYield, unit: UnitOfWork, context: Context) -> KegYield:
    """Return what became of one keg's beer; raises `KegUnknown`."""
    del context
    keg_id = known_id(query.keg_id, KegUnknown)
    keg = await kegs.find_keg(unit, keg_id)
    if keg is None:
        raise KegUnknown
    sums = await store.sums_of_keg(unit, keg_id)
    taken = {row["class"]: row["taken_ml"] for row in sums}
    over_ml = sum((row["over_ml"] for row in sums), NOTHING)
    if rest := rest_class(KegStatus(keg["status"])):
        taken[rest] = keg["remaining_ml"]
    tapped_at = (await store.first_tapped(unit, [keg_id])).get(keg_id)
    until = keg["disconnected_at"] if rest and keg["disconnected_at"] else unit.clock.now()
    return KegYield(
        keg_id=str(keg_id),
        beverage_id=str(keg["beverage_id"]),
        status=keg["status"],
        nominal_ml=keg["volume_ml"],
        remaining_ml=keg["remaining_ml"],
        poured_ml=taken.get(PourClass.POURED, NOTHING),
        losses={one: taken.get(one.value, NOTHING) for one in LossClass},
        over_ml=over_ml,
        yield_ratio=yield_of(keg["volume_ml"], taken, over_ml),
        tapped_at=tapped_at,
        fresh_days=fresh_days(tapped_at, until),
    )


async def get_losses(query: contract.GetLosses, unit: UnitOfWork, context: Context) -> Losses:
    """Return what was not sold in a stretch of time."""
    del context
    rows = await store.sums_of_losses(unit, since=query.from_, until=query.to)
    return Losses(
        items=[
            LossSum(
                loss=LossClass(row["loss"]),
                beverage_id=str(row["beverage_id"]) if row["beverage_id"] else None,
                volume_ml=row["volume_ml"],
            )
            for row in rows
        ]
    )


async def forecast(query: contract.GetForecast, unit: UnitOfWork, context: Context) -> Forecast:
    """Return when each connected keg will be empty, the first ahead."""
    del query, context
    now = unit.clock.now()
    rows = await store.connected_kegs(unit)
    recent = await store.recent_of_taps(unit, since=now - FORECAST_LOOKS_BACK)
    tapped = await store.first_tapped(unit, [row["id"] for row in rows])
    items = []
    for row in rows:
        seen = outlook(row["remaining_ml"], recent[row["id"]], now)
        tapped_at = tapped.get(row["id"])
        items.append(
            KegForecast(
                keg_id=str(row["id"]),
                tap_id=row["tap_id"],
                beverage_id=str(row["beverage_id"]),
                beverage=row["beverage"],
                remaining_ml=row["remaining_ml"],
                rate_ml_day=seen.rate_ml_day,
                runs_out_at=seen.runs_out_at,
                days_left=seen.days_left,
                basis=seen.basis,
                tapped_at=tapped_at,
                fresh_days=fresh_days(tapped_at, now),
            )
        )
    items.sort(key=lambda one: (one.runs_out_at is None, one.runs_out_at or now, one.keg_id))
    return Forecast(items=items)
