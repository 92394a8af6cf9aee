"""keg-fifo's copy of those configuration values that it goes by."""

from pourline.kit.db import UnitOfWork, as_json

VALUES_MAX = 1000


async def save(unit: UnitOfWork, *, key: str, value: object, version: int) -> None:
    """Know a value; an older word never wins."""
    await unit.execute(
        """
        INSERT INTO config (key, value, version) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version
            WHERE config.version < excluded.version
        """,
        (key, as_json(value), version),
    )


async def list_under(unit: UnitOfWork, prefix: str) -> dict[str, object]:
    """Return the values of keys that begin with `prefix`."""
    rows = await unit.all(
        "SELECT key, value FROM config WHERE starts_with(key, %s) ORDER BY key LIMIT %s",
        (prefix, VALUES_MAX),
    )
    return {row["key"]: row["value"] for row in rows}


async def value_of(unit: UnitOfWork, key: str, default: object) -> object:
    """Return a value, or `default` where nobody set it."""
    row = await unit.maybe("SELECT value FROM config WHERE key = %s", (key,))
    return row["value"] if row else default
