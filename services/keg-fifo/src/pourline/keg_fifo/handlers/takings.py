"""What pours take from kegs, and what goes back."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from pourline.contracts import cellar
from pourline.contracts.base import Envelope
from pourline.contracts.books import PourDecided
from pourline.contracts.money import PourSettled
from pourline.keg_fifo import domain
from pourline.keg_fifo.handlers import losses
from pourline.keg_fifo.store import kegs
from pourline.kit.db import Row, UnitOfWork


async def take_pours(events: Sequence[Envelope[PourSettled]], unit: UnitOfWork) -> None:
    """Take each pour from the keg that was connected when it began, exactly once.

    What was taken for a pour that another one replaces, or that never ran, goes back first; should
    word of such a pour come later, nothing is taken for it any more.
    """
    back = [gone for one in events if (gone := _given_back(one.data))]
    pours = [one.data for one in events if one.data.takes_keg and one.data.volume_ml > 0]
    if not pours and not back:
        return
    await losses.classify(unit, [one.data for one in events if one.data.volume_ml > 0])
    history = await kegs.list_connections(unit, sorted({pour.tap_id for pour in pours}))
    found = {
        pour.client_tx_id: (pour, domain.keg_at(history.get(pour.tap_id, []), pour.started_at))
        for pour in pours
    }
    returned = await kegs.list_takings(unit, back) if back else []
    wanted = {keg_id for _, keg_id in found.values()} | {row["keg_id"] for row in returned}
    rows = await kegs.lock_kegs(unit, sorted(keg_id for keg_id in wanted if keg_id))
    levels = {keg_id: row["remaining_ml"] for keg_id, row in rows.items()}
    if back:
        await kegs.save_returns(unit, back)
    for row in returned:
        if row["keg_id"]:
            levels[row["keg_id"]] += row["taken_ml"]
    taken_before = await kegs.list_taken(unit, list(found))
    takings = []
    for pour, keg_id in (one for key, one in found.items() if key not in taken_before):
        left = levels[keg_id] if keg_id else Decimal(0)
        taken = domain.take_from_keg(left, pour.volume_ml)
        if keg_id:
            levels[keg_id] = left - taken.taken_ml
        takings.append(_taking(pour, keg_id, taken))
    await _save(unit, takings, rows, levels)


async def _save(
    unit: UnitOfWork,
    takings: Sequence[tuple[object, ...]],
    rows: dict[UUID, Row],
    levels: dict[UUID, Decimal],
) -> None:
    changed = {key: level for key, level in levels.items() if level != rows[key]["remaining_ml"]}
    if takings:
        await kegs.save_takings(unit, takings)
    if changed:
        await kegs.save_levels(unit, changed)
    for keg_id, level in changed.items():
        _announce_level(unit, rows[keg_id], level)


def _given_back(pour: PourSettled) -> str | None:
    """Return the pour whose volume its keg has again through this word, if there is one."""
    if pour.replaces:
        return pour.replaces
    return pour.client_tx_id if isinstance(pour, PourDecided) and not pour.takes_keg else None


def _taking(pour: PourSettled, keg_id: UUID | None, taken: domain.Taken) -> tuple[object, ...]:
    return (
        pour.client_tx_id,
        pour.tap_id,
        keg_id,
        taken.taken_ml,
        taken.shortfall_ml,
        pour.started_at,
    )


def _announce_level(unit: UnitOfWork, keg: Row, remaining_ml: Decimal) -> None:
    unit.announce(
        cellar.KegLevelChanged(
            keg_id=str(keg["id"]),
            beverage_id=str(keg["beverage_id"]),
            beverage_name=keg["beverage_name"],
            tap_id=keg["tap_id"],
            volume_ml=keg["volume_ml"],
            remaining_ml=remaining_ml,
        ),
        aggregate=f"keg:{keg['id']}",
        version=keg["version"] + 1,
    )
