"""Noticing pours that nobody told of: the meter counted more than its tap reported."""

from collections.abc import Sequence
from datetime import timedelta

from pourline.auth_lock.domain.meters import Meter, is_a_count, missed_ml
from pourline.auth_lock.store import meters
from pourline.contracts.guests import PourMissed
from pourline.contracts.money import PourSettled
from pourline.kit.db import UnitOfWork

RESTS_FOR = timedelta(seconds=15)
"""A tap that was silent for this long has nothing under way, and its pours were heard of."""
TAPS_A_ROUND = 100


async def count(unit: UnitOfWork, pours: Sequence[PourSettled]) -> None:
    """Count what pours say their meters counted: once each, and not what came by hand."""
    told = [pour for pour in pours if not pour.entered_by and not pour.decided_by]
    silent = {pour.tap_id for pour in told if not is_a_count(pour.pulses) and pour.volume_ml > 0}
    if silent:
        await meters.forget_base(unit, sorted(silent))
    counted = [pour for pour in told if is_a_count(pour.pulses)]
    if counted:
        rows = [pour.model_dump(mode="json", include=_COUNTED) for pour in counted]
        await meters.add_told(unit, rows)


_COUNTED = {"tap_id", "pulses", "volume_ml"}


async def look(unit: UnitOfWork) -> int:
    """Compare resting taps' meters with what was told, announce what is missed; return how much.

    Each look settles the count, so that one missed pour is announced once.
    """
    before = unit.clock.now() - RESTS_FOR
    rows = await meters.resting(unit, before=before, limit=TAPS_A_ROUND)
    missed = 0
    for row in rows:
        volume_ml = missed_ml(
            Meter(
                lifetime_pulses=row["lifetime_pulses"],
                base_pulses=row["base_pulses"],
                told_pulses=row["told_pulses"],
                told_ml=row["told_ml"],
            )
        )
        if volume_ml is None:
            continue
        missed += 1
        unit.announce(
            PourMissed(
                tap_id=row["tap_id"],
                location=row["location"],
                volume_ml=volume_ml,
                pulses=row["lifetime_pulses"] - row["base_pulses"] - row["told_pulses"],
                lifetime_pulses=row["lifetime_pulses"],
                at=unit.clock.now(),
            ),
            aggregate=f"meter:{row['tap_id']}",
            version=row["lifetime_pulses"],
        )
    if rows:
        await meters.set_base(unit, rows)
    return missed
