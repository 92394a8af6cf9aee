"""Ids made by us: UUIDv7, so that they sort by the moment they were made."""

from functools import lru_cache
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return uuid7()


@lru_cache(maxsize=4096)
def text_of(found: UUID | str) -> str:
    """Return an id as text; in a busy hour the same few are written again and again."""
    return str(found)


def parse_id(text: str) -> UUID | None:
    """Return `text` as a UUID, or None: a text that is no id names nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None
