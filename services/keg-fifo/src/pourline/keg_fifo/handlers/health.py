"""How spouts are: what they say of themselves, what their silence says, and telling of both."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from pourline.contracts.device import SpoutHealth
from pourline.contracts.spouts import (
    ListSpoutHealth,
    SpoutHealthChanged,
    SpoutHealthRow,
    SpoutsHealth,
)
from pourline.keg_fifo.domain.health import (
    BATTERY_LOW_PCT_DEFAULT,
    SILENT_MINUTES_DEFAULT,
    Health,
    battery_low,
)
from pourline.keg_fifo.handlers import meters
from pourline.keg_fifo.store import configuration
from pourline.keg_fifo.store import health as store
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context

Heard = tuple[UUID, SpoutHealth, datetime]
"""A device's word on itself and when it came."""


async def note(unit: UnitOfWork, heard: Sequence[Heard]) -> None:
    """Keep the newest word of each device on itself, and tell what changed for others."""
    newest: dict[UUID, tuple[SpoutHealth, datetime]] = {}
    for device_id, health, at in heard:
        if device_id not in newest or newest[device_id][1] <= at:
            newest[device_id] = health, at
    low_pct = Decimal(
        str(await configuration.value_of(unit, "battery_low_pct", BATTERY_LOW_PCT_DEFAULT))
    )
    for device_id, before in (await store.lock(unit, sorted(newest))).items():
        health, at = newest[device_id]
        if before["health_at"] is None or before["health_at"] <= at:
            await _note(unit, before, health, at, low_pct)


async def _note(
    unit: UnitOfWork, before: Row, health: SpoutHealth, at: datetime, low_pct: Decimal
) -> None:
    pct = store.percent(health.battery_pct)
    values = {
        "online": health.online,
        "at": at,
        "silent": before["silent"] and not health.online,
        "battery_pct": pct,
        "battery_low": battery_low(pct, low_pct, was_low=before["battery_low"]),
        "rssi_dbm": health.rssi_dbm,
        "firmware": health.firmware,
    }
    row = await store.save(unit, before["device_id"], values)
    if health.online and health.lifetime_pulses is not None and row["active"]:
        await meters.compare(unit, row, health.lifetime_pulses)  # a will knows an old count
    if before["health_at"] is None or _health(before) != _health(row):
        _announce(unit, row)


def _health(row: Row) -> Health:
    return Health(
        says_online=row["online"] if row["health_at"] else None,
        silent=row["silent"],
        battery_low=row["battery_low"],
    )


def _announce(unit: UnitOfWork, row: Row) -> None:
    health = _health(row)
    unit.announce(
        SpoutHealthChanged(
            device_id=str(row["device_id"]),
            name=row["name"],
            location=row["location"],
            online=health.online,
            silent=health.silent,
            battery_low=health.battery_low,
            battery_pct=row["battery_pct"],
            rssi_dbm=row["rssi_dbm"],
            firmware=row["firmware"],
            last_seen_at=row["last_seen_at"],
            at=unit.clock.now(),
        ),
        aggregate=f"spout_health:{row['device_id']}",
        version=row["health_version"],
    )


class Silence:
    """Looks for spouts that say nothing any more, and for those that speak again."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def __call__(self) -> None:
        """Look once and tell of each."""
        async with self._database.transaction() as unit:
            minutes = await configuration.value_of(
                unit, "device_silent_minutes", SILENT_MINUTES_DEFAULT
            )
            since = unit.clock.now() - timedelta(minutes=int(str(minutes)))
            for row in await store.turn_silent(unit, since=since):
                _announce(unit, row)


async def list_health(query: ListSpoutHealth, unit: UnitOfWork, context: Context) -> SpoutsHealth:
    """Return how those of some spouts are that are known."""
    del context
    ids = [found for one in query.device_ids if (found := parse_id(one))]
    rows = await store.list_some(unit, ids)
    return SpoutsHealth(
        items=[
            SpoutHealthRow(
                device_id=str(row["device_id"]),
                online=_health(row).online and row["last_seen_at"] is not None,
                battery_pct=row["battery_pct"],
                rssi_dbm=row["rssi_dbm"],
                firmware=row["firmware"],
                last_seen_at=row["last_seen_at"],
            )
            for row in rows
        ]
    )
