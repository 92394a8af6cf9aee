"""Noticing pours that no spout told of: its meter counted more than it reported."""

from pourline.contracts.spouts import SpoutPourMissed
from pourline.keg_fifo import domain
from pourline.keg_fifo.domain.meters import Count, look
from pourline.keg_fifo.store import meters
from pourline.kit.db import Row, UnitOfWork


async def compare(unit: UnitOfWork, spout: Row, lifetime_pulses: int) -> None:
    """Compare a spout's count with what its pours told, and tell of what is missed, once."""
    device_id, now = spout["device_id"], unit.clock.now()
    factor = await meters.newest_factor(unit, device_id, at=now)
    count = Count(lifetime_pulses=lifetime_pulses, ml_per_pulse=factor, at=now)
    meter, missed = look(await meters.find(unit, device_id), count)
    await meters.save(unit, device_id, meter)
    if factor is None or not missed:
        return
    unit.announce(
        SpoutPourMissed(
            device_id=str(device_id),
            name=spout["name"],
            location=spout["location"],
            volume_ml=domain.poured_ml(missed, factor),
            pulses=missed,
            lifetime_pulses=lifetime_pulses,
            at=now,
        ),
        aggregate=f"spout_meter:{device_id}",
        version=spout["health_version"],
    )
