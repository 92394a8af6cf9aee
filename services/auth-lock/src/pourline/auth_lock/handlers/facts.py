"""What the database knows of a card on a tap, as the rules read it."""

from uuid import UUID

from pourline.auth_lock.domain import (
    AskedTap,
    AskingVisit,
    GrantId,
    GuestId,
    LockHeld,
    TapState,
    VisitId,
)
from pourline.kit.db import Row


def asked_tap(row: Row) -> AskedTap:
    """Return the asked tap and the lock on it."""
    return AskedTap(
        tap_id=row["tap_id"],
        name=row["tap_name"],
        location=row["location"],
        state=TapState(row["state"]),
        beverage_id=row["beverage_id"],
        keg_id=row["keg_id"],
        remaining_ml=row["remaining_ml"],
        price_per_litre=row["price_per_litre"],
        lock=_held(row["tap_lock_visit"], row["tap_id"], row["tap_name"], row["tap_lock_grant"]),
    )


def asking_visit(row: Row) -> AskingVisit | None:
    """Return the active visit of the card, if it has one, and the lock it holds."""
    if row["visit_id"] is None:
        return None
    return AskingVisit(
        visit_id=VisitId(row["visit_id"]),
        guest_id=GuestId(row["guest_id"]),
        guest_name=row["guest_name"],
        age_verified=row["age_verified"],
        lock=_held(
            row["visit_id"],
            row["visit_lock_tap"],
            row["visit_lock_tap_name"],
            row["visit_lock_grant"],
        ),
    )


def _held(
    visit_id: UUID | None, tap_id: str | None, tap_name: str | None, grant_id: UUID | None
) -> LockHeld | None:
    if visit_id is None or tap_id is None or grant_id is None:
        return None
    return LockHeld(
        visit_id=VisitId(visit_id),
        tap_id=tap_id,
        tap_name=tap_name or tap_id,
        grant_id=GrantId(grant_id),
    )
