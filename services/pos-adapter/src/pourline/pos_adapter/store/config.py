"""The configuration values that pos-adapter knows."""

from pourline.kit.db import UnitOfWork, as_json


async def save(unit: UnitOfWork, *, key: str, value: object, version: int) -> bool:
    """Know a configuration value; an older one never wins. Return whether it was news."""
    row = await unit.maybe(
        """
        INSERT INTO config (key, value, version) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version
            WHERE config.version < excluded.version
        RETURNING key
        """,
        (key, as_json(value), version),
    )
    return row is not None


async def find(unit: UnitOfWork, key: str, default: object) -> object:
    """Return a configuration value."""
    row = await unit.maybe("SELECT value FROM config WHERE key = %s", (key,))
    return row["value"] if row else default
