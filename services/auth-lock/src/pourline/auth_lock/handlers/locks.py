"""Opening locks: by a pour of their own grant, by staff, or because the money was not held."""

from collections.abc import Collection, Sequence
from uuid import UUID

from pourline.auth_lock.domain import CONFIG
from pourline.auth_lock.errors import VisitNotLocked, VisitUnknown
from pourline.auth_lock.handlers import meters
from pourline.auth_lock.store import audit, guests, limits, locks, taps
from pourline.contracts.base import Envelope
from pourline.contracts.books import GuestCorrected, PourDecided
from pourline.contracts.device import PourStatus
from pourline.contracts.guests import LockReleased, LockStale
from pourline.contracts.money import GetGrant, Grant, Pour, PourAccepted, PourSettled
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.nats import Caller

OTHER_CONTENT = "same_id_other_content"
SETTLED = frozenset({"captured", "held", "voided"})
STALE_A_ROUND = 100


async def release(
    unit: UnitOfWork,
    grant_ids: Sequence[UUID],
    *,
    why: str,
    reason: str | None = None,
    actor: str = "system",
) -> list[Row]:
    """Open the standing locks of grants, on record and announced, and return them."""
    await locks.hold_taps(unit, grant_ids)
    rows = await locks.release_locks(unit, grant_ids, why=why, reason=reason)
    for row in rows:
        await audit.record(
            unit,
            actor=actor,
            action="lock_released",
            subject=f"visit:{row['visit_id']}",
            reason=reason or why,
            after={"tap_id": row["tap_id"], "grant_id": str(row["grant_id"])},
        )
        unit.announce(
            LockReleased(
                visit_id=str(row["visit_id"]),
                tap_id=row["tap_id"],
                location=row["location"],
                grant_id=str(row["grant_id"]),
                why=why,
                reason=reason,
                released_at=row["released_at"],
            ),
            aggregate=f"grant:{row['grant_id']}",
            version=2,
        )
        if row["stale_at"]:
            announce_stale(unit, row, over=True)
    if rows:
        await announce_states(unit, [row["tap_id"] for row in rows])
    return rows


def announce_stale(unit: UnitOfWork, row: Row, *, over: bool) -> None:
    """Tell that a lock stands too long, or that such a one is open at last."""
    unit.announce(
        LockStale(
            visit_id=str(row["visit_id"]),
            tap_id=row["tap_id"],
            location=row["location"],
            grant_id=str(row["grant_id"]),
            lock_set_at=row["lock_set_at"],
            over=over,
            at=unit.clock.now(),
        ),
        aggregate=f"lock:{row['id']}",
        version=2 if over else 1,
    )


async def tell_stale(unit: UnitOfWork) -> int:
    """Tell of every lock that stands longer than configured, once; no time opens one (LK-5)."""
    default = CONFIG["stale_lock_s"].default
    rows = await locks.mark_stale(
        unit, at=unit.clock.now(), default_s=int(str(default)), limit=STALE_A_ROUND
    )
    for row in rows:
        announce_stale(unit, row, over=False)
    return len(rows)


async def know_accepted_pours(events: Sequence[Envelope[PourAccepted]], unit: UnitOfWork) -> None:
    """Count pours against their guests' limits and open their locks, in one commit."""
    pours = [event.data for event in events]
    await count_poured(unit, pours)
    await meters.count(unit, pours)
    for pour in pours:
        if pour.entered_by:
            await _on_record(unit, "pour_entered", pour, actor=pour.entered_by, why=pour.comment)
    await _open_locks(unit, pours)


async def open_locks_of_pours(events: Sequence[Envelope[PourSettled]], unit: UnitOfWork) -> None:
    """Open the locks whose own grant's pour is in the books."""
    pours = [event.data for event in events]
    await meters.count(unit, pours)
    await _open_locks(unit, pours)


async def know_late_pours(events: Sequence[Envelope[PourSettled]], unit: UnitOfWork) -> None:
    """Record what a tap sent after staff had entered it by hand (SY-6), and open its lock."""
    pours = [event.data for event in events]
    await meters.count(unit, [pour for pour in pours if pour.reason != OTHER_CONTENT])
    for pour in pours:
        if pour.reason == OTHER_CONTENT:
            await _on_record(unit, "pour_mismatched", pour, why=pour.reason)
        else:
            agrees = pour.status is PourStatus.RECONCILED
            action = "late_sync_matched" if agrees else "late_sync_mismatch"
            await _on_record(unit, action, pour, why=pour.reason)
    await _open_locks(unit, pours)


async def record_decisions(events: Sequence[Envelope[PourDecided]], unit: UnitOfWork) -> None:
    """Record who decided what about a held pour."""
    for event in events:
        pour = event.data
        action = f"pour_decided_{pour.decision.value}"
        await _on_record(unit, action, pour, actor=pour.actor, why=pour.why)
        if pour.replaces:
            await _on_record(unit, "late_sync_matched", pour, actor=pour.actor, why=pour.why)


async def record_corrections(events: Sequence[Envelope[GuestCorrected]], unit: UnitOfWork) -> None:
    """Record who set an account right."""
    for event in events:
        await audit.record(
            unit,
            actor=event.data.actor,
            action="account_corrected",
            subject=f"guest:{event.data.guest_id}",
            reason=event.data.reason,
            after=event.data.model_dump(
                mode="json", include={"amount", "balance", "client_tx_id", "transaction_id"}
            ),
        )


async def _on_record(
    unit: UnitOfWork, action: str, pour: PourSettled, *, actor: str = "system", why: str | None
) -> None:
    """Record a word on a pour, under its visit where it has one."""
    subject = f"visit:{pour.visit_id}" if pour.visit_id else f"pour:{pour.client_tx_id}"
    after = pour.model_dump(mode="json", include=_SAID, exclude_none=True)
    await audit.record(unit, actor=actor, action=action, subject=subject, reason=why, after=after)


_SAID = {"client_tx_id", "short_id", "tap_id", "volume_ml", "amount", "status", "replaces"}


async def _open_locks(unit: UnitOfWork, pours: Sequence[PourSettled]) -> None:
    grants = [UUID(pour.settles_grant_id) for pour in pours if pour.settles_grant_id]
    if grants:
        await release(unit, grants, why="pour")


async def release_settled(database: Database, caller: Caller, grant_id: UUID) -> bool:
    """Open a lock whose pour the ledger has settled though its event is still on the way.

    Returns whether it opened. A ledger that is away leaves the lock as it is.
    """
    try:
        grant = await caller.ask(GetGrant(grant_id=str(grant_id)), Grant)
    except (Retryable, *TROUBLE):
        return False
    if grant.state not in SETTLED:
        return False
    # Two commits: the pour's event, in a batch with others, may take tap and pour the other way.
    if grant.pour and grant.state == "captured":
        async with database.transaction() as unit:
            await count_poured(unit, [grant.pour])
    async with database.transaction() as unit:
        await release(unit, [grant_id], why="pour")
    return True


async def count_poured(unit: UnitOfWork, pours: Sequence[Pour | PourAccepted]) -> None:
    """Count accepted pours against their guests' limits, each once."""
    rows = [
        pour.model_dump(include=_COUNTED, mode="json")
        for pour in pours
        if pour.visit_id and pour.guest_id and pour.volume_ml > 0
    ]
    if rows:
        await limits.save_poured(unit, rows)


_COUNTED = {
    "client_tx_id",
    "visit_id",
    "guest_id",
    "beverage_id",
    "volume_ml",
    "amount",
    "started_at",
}


async def force_unlock(unit: UnitOfWork, *, visit_id: UUID, reason: str, actor: str) -> None:
    """Open a visit's lock by hand; raises `VisitUnknown` or `VisitNotLocked`."""
    row = await guests.find_visit(unit, visit_id, for_update=True)
    if row is None:
        raise VisitUnknown
    grants = await locks.standing_grants(unit, visit_id)
    if not grants:
        raise VisitNotLocked
    await release(unit, grants, why="force", reason=reason, actor=actor)


async def announce_states(
    unit: UnitOfWork, tap_ids: Sequence[str], *, relinked: Collection[str] = ()
) -> None:
    """Work out the states of taps anew and announce those that changed, or whose link did."""
    for row in await taps.refresh_states(unit, tap_ids, relinked=relinked):
        unit.announce(
            taps.state_event(row, at=unit.clock.now()),
            aggregate=f"tap:{row['id']}",
            version=row["state_version"],
        )
