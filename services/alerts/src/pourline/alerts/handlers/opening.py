"""Opening, raising and ending alerts: each announced once, and people written to where it counts.

Everything stands in the transaction of what it was found in.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pourline.alerts.domain.kinds import (
    Breach,
    Cause,
    Findings,
    Kind,
    Severity,
    is_mailed,
)
from pourline.alerts.domain.notices import Occasion
from pourline.alerts.store import alerts, known, notifications
from pourline.contracts import evening
from pourline.contracts.base import Envelope, Event
from pourline.contracts.evening import AlertChanged
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id

State = TypeVar("State", bound=Event)


async def apply(unit: UnitOfWork, findings: Iterable[Findings]) -> None:
    """Open what is there and has no alert, end what is gone; each announced once."""
    for found in findings:
        for cause in found.ends:
            await end(unit, cause)
        for breach in found.opens:
            await open_breach(unit, breach)


async def end(unit: UnitOfWork, cause: Cause) -> None:
    """Resolve the alert of a cause that is gone, if it has one."""
    if ended := await alerts.end_alert(unit, cause):
        announce_end(unit, ended, actor="system")


async def open_breach(unit: UnitOfWork, breach: Breach) -> Row | None:
    """Open an alert for a cause that has none, and tell of it; return it where it is new."""
    alert_id = new_id()
    row = await alerts.open_alert(unit, alert_id=alert_id, breach=breach, at=unit.clock.now())
    if row is None or row["id"] != alert_id:
        return None
    if row["suppressed_until"] is None:
        await tell_opened(unit, row)
    return row


async def tell_opened(unit: UnitOfWork, row: Row) -> None:
    """Tell of an alert: it opened, or what kept it quiet is over."""
    announce(unit, row, evening.AlertOpened, actor=None)
    await write_to_people(unit, row, Occasion.ALERT)


async def raise_kind(unit: UnitOfWork, *, kind: Kind, location: str, to: Severity) -> None:
    """Make the standing alerts of a kind at a place graver; each is told of once more."""
    for row in await alerts.raise_alerts(unit, kind=kind, location=location, to=to):
        if row["suppressed_until"] is None:
            announce(unit, row, evening.AlertRaised, actor=None)
            await write_to_people(unit, row, Occasion.RAISED)


async def write_to_people(unit: UnitOfWork, row: Row, occasion: Occasion) -> UUID | None:
    """Queue what people beside the screens are to read of an alert, if they are to read it."""
    if not is_mailed(Kind(row["kind"]), Severity(row["severity"])):
        return None
    at = unit.clock.now()
    await alerts.note_notified(unit, alert_id=row["id"], at=at)
    return await notifications.queue(unit, alert=row, occasion=occasion, payload=payload_of(row))


def payload_of(row: Row) -> dict[str, object]:
    """Return what a notification says of an alert."""
    opened_at: datetime = row["opened_at"]
    return {
        "alert_id": str(row["id"]),
        "kind": row["kind"],
        "severity": row["severity"],
        "priority": row["priority"],
        "title": row["title"],
        "message": row["message"],
        "subject": {"type": row["subject_type"], "id": row["subject_id"]},
        "location": row["location"],
        "opened_at": opened_at.isoformat(),
    }


def announce_end(unit: UnitOfWork, row: Row, *, actor: str) -> None:
    """Announce that an alert is over; of one that was kept quiet nobody had heard."""
    if row["suppressed_until"] is None:
        announce(unit, row, evening.AlertResolved, actor=actor)


def announce(unit: UnitOfWork, row: Row, model: type[AlertChanged], *, actor: str | None) -> None:
    """Announce what became of an alert."""
    unit.announce(
        model(
            alert_id=str(row["id"]),
            kind=row["kind"],
            severity=row["severity"],
            location=row["location"],
            actor=actor,
            at=unit.clock.now(),
        ),
        aggregate=f"alert:{row['id']}",
        version=row["version"],
    )


async def no_old_news(unit: UnitOfWork, events: Sequence[Envelope[State]]) -> list[Envelope[State]]:
    """Return the newest of `events` about each thing, unless a newer one came before."""
    newest = {event.aggregate: event for event in sorted(events, key=lambda one: one.version)}
    fresh = await known.note_newest(unit, {about: one.version for about, one in newest.items()})
    return [event for about, event in newest.items() if about in fresh]
