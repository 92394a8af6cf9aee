"""Staff's accounts, and the tokens that no longer count."""

from datetime import datetime
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork

COLUMNS = """
    id, username, password_hash, level, active, token_version, pin_hash, pin_failures,
    pin_failed_at
"""


async def insert_staff(
    unit: UnitOfWork, *, staff_id: UUID, username: str, password_hash: str, level: int
) -> bool:
    """Save an account; False when the username is taken."""
    return bool(
        await unit.count(
            """
            INSERT INTO staff (id, username, password_hash, level) VALUES (%s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            (staff_id, username, password_hash, level),
        )
    )


async def find_by_name(unit: UnitOfWork, username: str, *, for_update: bool = False) -> Row | None:
    """Return an active account by its username; with `for_update` no other try counts meanwhile."""
    lock = "FOR UPDATE" if for_update else ""
    return await unit.maybe(
        f"SELECT {COLUMNS} FROM staff WHERE username = %s AND active {lock}", (username,)
    )


async def find(unit: UnitOfWork, staff_id: UUID) -> Row | None:
    """Return an account, locked until the commit."""
    return await unit.maybe(f"SELECT {COLUMNS} FROM staff WHERE id = %s FOR UPDATE", (staff_id,))


async def list_staff(unit: UnitOfWork, *, after: UUID | None, limit: int) -> list[Row]:
    """Return accounts in order of id."""
    return await unit.all(
        f"""
        SELECT {COLUMNS} FROM staff WHERE %s::uuid IS NULL OR id > %s ORDER BY id LIMIT %s
        """,
        (after, after, limit),
    )


async def set_level(unit: UnitOfWork, staff_id: UUID, level: int) -> None:
    """Give an account another level."""
    await unit.execute("UPDATE staff SET level = %s WHERE id = %s", (level, staff_id))


async def set_password(unit: UnitOfWork, staff_id: UUID, password_hash: str) -> None:
    """Give an account another password."""
    await unit.execute(
        "UPDATE staff SET password_hash = %s WHERE id = %s", (password_hash, staff_id)
    )


async def set_active(unit: UnitOfWork, staff_id: UUID, *, active: bool) -> None:
    """Let an account log in, or not."""
    await unit.execute("UPDATE staff SET active = %s WHERE id = %s", (active, staff_id))


async def set_pin(unit: UnitOfWork, staff_id: UUID, pin_hash: str) -> None:
    """Give an account another PIN, with all tries before it."""
    await unit.execute(
        "UPDATE staff SET pin_hash = %s, pin_failures = 0, pin_failed_at = NULL WHERE id = %s",
        (pin_hash, staff_id),
    )


async def count_pin_failures(
    unit: UnitOfWork, staff_id: UUID, failures: int, at: datetime | None
) -> None:
    """Remember how often an account's PIN was wrong, and when last."""
    await unit.execute(
        "UPDATE staff SET pin_failures = %s, pin_failed_at = %s WHERE id = %s",
        (failures, at, staff_id),
    )


async def next_token_version(unit: UnitOfWork, staff_id: UUID) -> int:
    """Give an account's next tokens a version above all those before."""
    row = await unit.one(
        """
        UPDATE staff SET token_version = token_version + 1 WHERE id = %s RETURNING token_version
        """,
        (staff_id,),
    )
    return int(row["token_version"])


async def revoke(unit: UnitOfWork, *, key: str, version: int, expires_at: datetime) -> None:
    """Let the tokens of a key count no more; what has expired by itself is forgotten."""
    await unit.execute("DELETE FROM revocation WHERE expires_at < %s", (unit.clock.now(),))
    await unit.execute(
        """
        INSERT INTO revocation (key, version, expires_at) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET version = greatest(revocation.version, excluded.version),
            expires_at = greatest(revocation.expires_at, excluded.expires_at)
        """,
        (key, version, expires_at),
    )


async def list_revocations(unit: UnitOfWork, *, after: str, limit: int) -> list[Row]:
    """Return revocations of tokens that have not expired, in order of key."""
    return await unit.all(
        """
        SELECT key, version, expires_at FROM revocation
        WHERE key > %s AND expires_at >= %s ORDER BY key LIMIT %s
        """,
        (after, unit.clock.now(), limit),
    )


async def all_revocations(unit: UnitOfWork) -> dict[str, int]:
    """Return the version below which tokens of each key no longer count."""
    rows = await unit.all(
        "SELECT key, version FROM revocation WHERE expires_at >= %s", (unit.clock.now(),)
    )
    return {row["key"]: row["version"] for row in rows}
