"""What one controller must not forget: open grants, unanswered pours, its counters.

SQLite in WAL mode with `synchronous=FULL`: a commit is on the disk when the call returns (NORMAL
may lose the last commits with the power). A pour that ends a grant and the end of that grant are
one commit. Calls block for an fsync and may come from any thread, one at a time.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pourline.controller.domain import Flow, Grant, Pour

SHORT_IDS = 1_000_000
"""Short ids have six digits; the counter starts again after the last, and leaves zero out."""
BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (
  name TEXT PRIMARY KEY, value INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS open_grant (
  grant_id TEXT PRIMARY KEY, request_id TEXT NOT NULL, card_uid TEXT NOT NULL,
  max_volume_ml TEXT NOT NULL, visit_id TEXT, max_duration_ms INTEGER, price_per_litre INTEGER,
  pulses INTEGER NOT NULL DEFAULT 0, run_ms INTEGER NOT NULL DEFAULT 0,
  seen_at TEXT NOT NULL, seen_boot TEXT NOT NULL, seen_elapsed_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS pour (
  position INTEGER PRIMARY KEY AUTOINCREMENT, client_tx_id TEXT NOT NULL UNIQUE,
  short_id TEXT NOT NULL, volume_ml TEXT NOT NULL, pulses INTEGER NOT NULL,
  started_at TEXT NOT NULL, ended_at TEXT NOT NULL, duration_ms INTEGER NOT NULL,
  ended_boot TEXT NOT NULL, ended_elapsed_ms INTEGER NOT NULL, offline INTEGER NOT NULL,
  grant_id TEXT, request_id TEXT, visit_id TEXT, card_uid TEXT, price_per_litre INTEGER,
  amount INTEGER
) STRICT;
"""

_POUR_COLUMNS = (
    "client_tx_id, short_id, volume_ml, pulses, started_at, ended_at, duration_ms, ended_boot,"
    " ended_elapsed_ms, offline, grant_id, request_id, visit_id, card_uid, price_per_litre, amount"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """When the device last looked: by the wall, and by the elapsed clock of a boot."""

    at: datetime
    boot_id: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """A stored grant that no pour has ended, with the last flow that was stored."""

    grant: Grant
    flow: Flow
    seen: Seen


class Store:
    """One tap's file. Raises sqlite3.Error where the disk refuses."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
        )
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; a later call fails."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def open_grant(self, grant: Grant, seen: Seen) -> None:
        """Store a grant, before its valve opens; a renewed grant starts at no flow."""
        with self._commit() as db:
            db.execute(
                "INSERT OR REPLACE INTO open_grant (grant_id, request_id, card_uid, max_volume_ml,"
                " visit_id, max_duration_ms, price_per_litre, seen_at, seen_boot, seen_elapsed_ms)"
                " VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    *(grant.grant_id, grant.request_id, grant.card_uid, str(grant.max_volume_ml)),
                    *(grant.visit_id, grant.max_duration_ms, grant.price_per_litre),
                    *(seen.at.isoformat(), seen.boot_id, seen.elapsed_ms),
                ),
            )

    def note_flow(self, grant_id: str, flow: Flow, seen: Seen, *, lifetime_pulses: int) -> None:
        """Store what has run so far, for a restart in the middle of a pour."""
        with self._commit() as db:
            db.execute(
                "UPDATE open_grant SET pulses=?, run_ms=?, seen_at=?, seen_boot=?,"
                " seen_elapsed_ms=? WHERE grant_id=?",
                (
                    *(flow.pulses, flow.run_ms, seen.at.isoformat()),
                    *(seen.boot_id, seen.elapsed_ms, grant_id),
                ),
            )
            _raise_counter(db, "lifetime_pulses", lifetime_pulses)

    def note_lifetime(self, lifetime_pulses: int) -> None:
        """Store the pulses counted so far, while no grant is open."""
        with self._commit() as db:
            _raise_counter(db, "lifetime_pulses", lifetime_pulses)

    def end_grant(self, pour: Pour, *, lifetime_pulses: int) -> Pour:
        """Store a pour with its short id, before it is sent, and end its grant in the same commit.

        A pour without a grant (a leak) ends none. Returns the pour as stored.
        """
        with self._commit() as db:
            numbered = replace(pour, short_id=_next_short_id(db))
            db.execute(
                f"INSERT INTO pour ({_POUR_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                _pour_row(numbered),
            )
            db.execute("DELETE FROM open_grant WHERE grant_id=?", (pour.grant_id,))
            _raise_counter(db, "lifetime_pulses", lifetime_pulses)
        return numbered

    def forget(self, client_tx_ids: Iterable[str]) -> None:
        """Drop pours that have a status; ids that are not stored do nothing."""
        with self._commit() as db:
            db.executemany(
                "DELETE FROM pour WHERE client_tx_id=?", [(each,) for each in client_tx_ids]
            )

    def open_grants(self) -> list[OpenGrant]:
        """Return the grants that a restart must end: one at most, as a tap has one guest."""
        with self._lock:
            rows = self._db.execute(
                "SELECT grant_id, request_id, card_uid, max_volume_ml, visit_id, max_duration_ms,"
                " price_per_litre, pulses, run_ms, seen_at, seen_boot, seen_elapsed_ms"
                " FROM open_grant ORDER BY seen_at"
            )
            return [_open_grant(row) for row in rows]

    def pours(self) -> list[Pour]:
        """Return the unanswered pours, oldest first."""
        with self._lock:
            rows = self._db.execute(f"SELECT {_POUR_COLUMNS} FROM pour ORDER BY position")
            return [_pour(row) for row in rows]

    def lifetime_pulses(self) -> int:
        """Return the pulses counted in this store's life, as far as stored."""
        with self._lock:
            found = self._db.execute(
                "SELECT value FROM counter WHERE name='lifetime_pulses'"
            ).fetchone()
        return int(found[0]) if found else 0


def _set_counter(db: sqlite3.Connection, name: str, value: int) -> None:
    db.execute(
        "INSERT INTO counter VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value=excluded.value",
        (name, value),
    )


def _raise_counter(db: sqlite3.Connection, name: str, value: int) -> None:
    """Set a counter that never goes back, whichever of two commits comes last."""
    db.execute(
        "INSERT INTO counter VALUES (?,?)"
        " ON CONFLICT (name) DO UPDATE SET value=max(value, excluded.value)",
        (name, value),
    )


def _next_short_id(db: sqlite3.Connection) -> str:
    found = db.execute("SELECT value FROM counter WHERE name='short_id'").fetchone()
    number = (int(found[0]) if found else 0) % (SHORT_IDS - 1) + 1
    _set_counter(db, "short_id", number)
    return f"{number:06d}"


def _pour_row(pour: Pour) -> tuple[str | int | None, ...]:
    return (
        *(pour.client_tx_id, pour.short_id, str(pour.volume_ml), pour.pulses),
        *(pour.started_at.isoformat(), pour.ended_at.isoformat(), pour.duration_ms),
        *(pour.ended_boot, pour.ended_elapsed_ms, int(pour.offline), pour.grant_id),
        *(pour.request_id, pour.visit_id, pour.card_uid, pour.price_per_litre, pour.amount),
    )


def _pour(row: sqlite3.Row) -> Pour:
    return Pour(
        client_tx_id=row["client_tx_id"],
        short_id=row["short_id"],
        volume_ml=Decimal(row["volume_ml"]),
        pulses=row["pulses"],
        started_at=datetime.fromisoformat(row["started_at"]),
        ended_at=datetime.fromisoformat(row["ended_at"]),
        duration_ms=row["duration_ms"],
        ended_boot=row["ended_boot"],
        ended_elapsed_ms=row["ended_elapsed_ms"],
        offline=bool(row["offline"]),
        grant_id=row["grant_id"],
        request_id=row["request_id"],
        visit_id=row["visit_id"],
        card_uid=row["card_uid"],
        price_per_litre=row["price_per_litre"],
        amount=row["amount"],
    )


def _open_grant(row: sqlite3.Row) -> OpenGrant:
    grant = Grant(
        grant_id=row["grant_id"],
        request_id=row["request_id"],
        card_uid=row["card_uid"],
        max_volume_ml=Decimal(row["max_volume_ml"]),
        visit_id=row["visit_id"],
        max_duration_ms=row["max_duration_ms"],
        price_per_litre=row["price_per_litre"],
    )
    seen_at = datetime.fromisoformat(row["seen_at"])
    seen = Seen(seen_at, row["seen_boot"], row["seen_elapsed_ms"])
    return OpenGrant(grant, Flow(row["pulses"], row["run_ms"]), seen)
