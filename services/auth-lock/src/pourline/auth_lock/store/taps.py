"""Taps: their credential, keg, link, order and the state that follows from them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pourline.auth_lock.domain import TapFacts, TapState, tap_state
from pourline.auth_lock.store.lines import INTERVAL_DAYS
from pourline.contracts.cellar import KegConnected
from pourline.contracts.device import TapStatus
from pourline.contracts.taps import TapStateChanged
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id

TAP_COLUMNS = f"""
    tap.id, tap.name, tap.location, tap.beverage_id, beverage.name AS beverage, tap.keg_id,
    tap.remaining_ml, tap.volume_ml, tap.state, tap.order_reason AS reason, tap.online,
    tap.pending_sync, tap.valve, tap.lifetime_pulses, tap.state_version, tap.reader_profile,
    tap.gas, tap.cleaned_at,
    tap.cleaned_at + make_interval(days => {INTERVAL_DAYS}) AS cleaning_due_at,
    tap_lock.visit_id AS locked_by_visit, tap_lock.lock_set_at, guest.name AS guest_name,
    (SELECT price_per_litre FROM price
     WHERE price.beverage_id = tap.beverage_id AND from_at <= clock_timestamp()
     ORDER BY from_at DESC LIMIT 1) AS price_per_litre
"""
TAP_FROM = """
    tap LEFT JOIN beverage ON beverage.beverage_id = tap.beverage_id
    LEFT JOIN tap_lock ON tap_lock.tap_id = tap.id AND tap_lock.released_at IS NULL
    LEFT JOIN visit ON visit.id = tap_lock.visit_id
    LEFT JOIN guest ON guest.id = visit.guest_id
"""


async def insert_tap(unit: UnitOfWork, *, values: Mapping[str, object]) -> bool:
    """Save a new tap; False when its id is taken."""
    return bool(
        await unit.count(
            """
            INSERT INTO tap (id, name, location, secret_hash, beverage_id, reader_profile, state)
            VALUES (%(id)s, %(name)s, %(location)s, %(secret_hash)s, %(beverage_id)s,
                    %(reader_profile)s, 'out_of_keg')
            ON CONFLICT DO NOTHING
            """,
            values,
        )
    )


async def find_tap(unit: UnitOfWork, tap_id: str) -> Row | None:
    """Return a tap."""
    return await unit.maybe(f"SELECT {TAP_COLUMNS} FROM {TAP_FROM} WHERE tap.id = %s", (tap_id,))


async def list_taps(unit: UnitOfWork, *, after: str, limit: int) -> list[Row]:
    """Return taps in order of id."""
    return await unit.all(
        f"SELECT {TAP_COLUMNS} FROM {TAP_FROM} WHERE tap.id > %s ORDER BY tap.id LIMIT %s",
        (after, limit),
    )


async def set_order(unit: UnitOfWork, *, tap_id: str, order: TapState | None, reason: str) -> bool:
    """Set what staff want the tap to be; return whether the tap is known."""
    return bool(
        await unit.count(
            """
            UPDATE tap SET staff_order = %s, order_reason = %s, order_id = %s, ordered_at = %s,
                           stop_overdue = stop_overdue AND %s,
                           wall_stopped = false, order_under = NULL, reason_under = NULL
            WHERE id = %s
            """,
            (
                order.value if order else None,
                reason if order else None,
                new_id(),
                unit.clock.now(),
                order is TapState.STOPPED,
                tap_id,
            ),
        )
    )


async def commands_to_tell(unit: UnitOfWork, *, since: datetime, limit: int) -> list[Row]:
    """Return taps to be told an order: those ordered `since`, and unconfirmed stops for ever."""
    return await unit.all(
        """
        SELECT id, location, order_id, ordered_at, stop_overdue, staff_order IS NULL AS resumed,
               valve IS NOT DISTINCT FROM 'closed' AS shut
        FROM tap
        WHERE (staff_order = 'stopped' AND (valve IS DISTINCT FROM 'closed' OR ordered_at >= %s))
           OR (staff_order IS NULL AND ordered_at >= %s)
        ORDER BY id LIMIT %s
        """,
        (since, since, limit),
    )


async def mark_overdue(unit: UnitOfWork, tap_ids: Sequence[str]) -> None:
    """Remember which taps did not confirm a stop in time."""
    await unit.execute("UPDATE tap SET stop_overdue = true WHERE id = ANY(%s)", (list(tap_ids),))


async def reset_sync(unit: UnitOfWork, *, tap_id: str) -> bool:
    """Count the tap's pending pours as settled until a newer status comes."""
    return bool(await unit.count("UPDATE tap SET sync_was_reset = true WHERE id = %s", (tap_id,)))


@dataclass(frozen=True, kw_only=True)
class StatusWord:
    """A tap's status, the broker's number for it, and when the broker took it."""

    tap_id: str
    seq: int
    at: datetime
    status: TapStatus


async def lock(unit: UnitOfWork, tap_ids: Iterable[str]) -> None:
    """Take the taps of a batch for this transaction, in the one order in which all take them."""
    await unit.execute(
        "SELECT FROM tap WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (sorted(set(tap_ids)),)
    )


async def save_status(unit: UnitOfWork, word: StatusWord) -> bool:
    """Know a tap's link and return whether it is another one; gas counts when it is news.

    A word that comes again is old by number and by time; after a broker lost everything numbers
    begin anew, after a clock was set back times do: neither alone makes it old.
    """
    tap_id, seq, status = word.tap_id, word.seq, word.status
    before = await unit.maybe(
        """
        SELECT online, pending_sync, valve, status_seq, status_at
        FROM tap WHERE id = %s FOR UPDATE
        """,
        (tap_id,),
    )
    if before is None or _is_old(word, before):
        return False
    link = (before["online"], before["pending_sync"], before["valve"])
    now = (status.online, status.pending_sync, status.valve or before["valve"])
    await unit.execute(
        """
        UPDATE tap SET online = %s, pending_sync = %s, valve = coalesce(%s, valve),
                       pulses_at = CASE WHEN %s <> coalesce(lifetime_pulses, -1) THEN %s
                                        ELSE pulses_at END,
                       lifetime_pulses = coalesce(%s, lifetime_pulses), sync_was_reset = false,
                       gas = gas OR (%s AND NOT gas_told), gas_told = coalesce(%s, gas_told),
                       stop_overdue = stop_overdue AND coalesce(%s, valve, '') <> 'closed',
                       status_seq = %s, status_at = %s
        WHERE id = %s
        """,
        (
            status.online,
            status.pending_sync,
            status.valve,
            status.lifetime_pulses,
            word.at,
            status.lifetime_pulses,
            status.gas is True,
            status.gas,
            status.valve,
            seq,
            word.at,
            tap_id,
        ),
    )
    return link != now or before["status_seq"] == 0


def _is_old(word: StatusWord, before: Row) -> bool:
    """Return whether a word came before the stored one, or is that one again.

    A reset that staff made after it stands then.
    """
    at = before["status_at"]
    if at is None:
        return False
    return word.seq <= before["status_seq"] and bool(word.at <= at)


async def connect_keg(unit: UnitOfWork, keg: KegConnected, *, version: int) -> None:
    """Know which keg is on a tap, unless something newer is known of the tap's kegs.

    `version` is the keg's at that instant. `tap.keg_connected_at` is the last instant at which a
    keg is known to have come or gone.
    """
    await unit.execute(
        """
        UPDATE tap SET keg_id = %(keg_id)s, beverage_id = %(beverage_id)s,
                       remaining_ml = %(remaining_ml)s, volume_ml = %(volume_ml)s,
                       keg_version = %(version)s, keg_connected_at = %(connected_at)s, gas = false
        WHERE id = %(tap_id)s
          AND (keg_connected_at IS NULL OR keg_connected_at <= %(connected_at)s)
        """,
        dict(keg) | {"version": version},
    )


async def disconnect_keg(unit: UnitOfWork, *, tap_id: str, keg_id: UUID, at: datetime) -> None:
    """Know that a tap's keg is off, even before it is known that it was on.

    One that was put on again since stays.
    """
    await unit.execute(
        """
        UPDATE tap SET keg_id = NULL, remaining_ml = NULL, volume_ml = NULL,
                       keg_connected_at = greatest(keg_connected_at, %(at)s)
        WHERE id = %(tap_id)s AND (keg_id IS NULL
            OR keg_id = %(keg_id)s AND coalesce(keg_connected_at, %(at)s) <= %(at)s)
        """,
        {"tap_id": tap_id, "keg_id": keg_id, "at": at},
    )


async def save_level(
    unit: UnitOfWork, *, keg_id: UUID, remaining_ml: Decimal, version: int
) -> None:
    """Know what is left in a connected keg; an older level never wins."""
    await unit.execute(
        """
        UPDATE tap SET remaining_ml = %s, keg_version = %s
        WHERE keg_id = %s AND keg_version < %s
        """,
        (remaining_ml, version, keg_id, version),
    )


async def taps_of_kegs(unit: UnitOfWork, keg_ids: Sequence[UUID]) -> list[str]:
    """Return the taps on which any of `keg_ids` is connected."""
    rows = await unit.all("SELECT id FROM tap WHERE keg_id = ANY(%s)", (list(keg_ids),))
    return [row["id"] for row in rows]


async def refresh_states(
    unit: UnitOfWork, tap_ids: Sequence[str], *, relinked: Collection[str] = ()
) -> list[Row]:
    """Work out the states of `tap_ids` anew; return the rows of those that others must hear of.

    Those are taps whose state is another one, or whose link is (`relinked`). Every tap refreshed
    gets a new version, so that its retained state is told again.
    """
    rows = await unit.all(
        """
        SELECT tap.id, tap.location, tap.staff_order, tap.order_reason, tap.keg_id,
               tap.remaining_ml, tap.online, tap.pending_sync, tap.sync_was_reset, tap.valve,
               tap.lifetime_pulses, tap.state, tap.state_version, tap.status_seq,
               tap.stop_overdue, tap.gas,
               EXISTS (SELECT FROM tap_lock WHERE tap_lock.tap_id = tap.id
                       AND released_at IS NULL) AS locked
        FROM tap WHERE id = ANY(%s) ORDER BY id FOR UPDATE
        """,
        (sorted(set(tap_ids)),),
    )
    changed = []
    for row in rows:
        before = row["state"]
        row["state"] = tap_state(_facts(row)).value
        row["state_version"] += 1
        if row["state"] != before or row["id"] in relinked:
            changed.append(row)
    await unit.execute(
        """
        UPDATE tap SET state = fresh.state, state_version = fresh.version
        FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS fresh (id, state, version)
        WHERE tap.id = fresh.id
        """,
        (
            [row["id"] for row in rows],
            [row["state"] for row in rows],
            [row["state_version"] for row in rows],
        ),
    )
    return changed


def _facts(row: Row) -> TapFacts:
    return TapFacts(
        order=TapState(row["staff_order"]) if row["staff_order"] else None,
        keg_id=row["keg_id"],
        remaining_ml=row["remaining_ml"],
        offline=row["status_seq"] > 0 and not row["online"],
        pending_sync=row["pending_sync"],
        sync_was_reset=row["sync_was_reset"],
        locked=row["locked"],
        gas=row["gas"],
    )


async def untold_states(unit: UnitOfWork, *, limit: int) -> list[Row]:
    """Return taps whose newest state was not told on its topic yet."""
    return await unit.all(
        f"""
        SELECT {TAP_COLUMNS} FROM {TAP_FROM}
        WHERE tap.told_version < tap.state_version ORDER BY tap.id LIMIT %s
        """,
        (limit,),
    )


async def mark_told(unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
    """Remember which version of each tap's state was told.

    A tap that somebody holds is passed over and told again: waiting for it could be a deadlock.
    """
    await unit.execute(
        """
        UPDATE tap SET told_version = greatest(told_version, fresh.version)
        FROM unnest(%s::text[], %s::bigint[]) AS fresh (id, version)
        WHERE tap.id = fresh.id
          AND tap.id IN (SELECT id FROM tap WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED)
        """,
        (*_columns(told), [tap_id for tap_id, _ in told]),
    )


def _columns(told: Sequence[tuple[str, int]]) -> tuple[list[str], list[int]]:
    return [tap_id for tap_id, _ in told], [version for _, version in told]


async def tell_all_again(unit: UnitOfWork) -> None:
    """Have every tap's state told again: the broker may have lost it."""
    await unit.execute("UPDATE tap SET told_version = 0")


async def touch(unit: UnitOfWork, tap_id: str) -> bool:
    """Have a tap's state told again; return whether the tap is known to be offline."""
    row = await unit.maybe(
        """
        UPDATE tap SET state_version = state_version + 1 WHERE id = %s
        RETURNING status_seq > 0 AND NOT online AS is_offline
        """,
        (tap_id,),
    )
    return bool(row and row["is_offline"])


def state_event(row: Row, *, at: datetime) -> TapStateChanged:
    """Return what others are told of a tap whose state changed."""
    return TapStateChanged(
        tap_id=row["id"],
        location=row["location"],
        state=row["state"],
        online=row["online"],
        pending_sync=row["pending_sync"],
        valve=row["valve"],
        lifetime_pulses=row["lifetime_pulses"],
        reason=row["order_reason"],
        stop_unconfirmed=row["stop_overdue"],
        was_ever_online=row["status_seq"] > 0,
        at=at,
    )
