"""keg-fifo's rules: which keg lost a pour, which keg comes next, what leaves which batch.

Pure functions of values. Sources: the outer contract, "Pours" and "Spouts"; requirements KG and
SP-4 to SP-6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class KegStatus(StrEnum):
    """Where a keg is in its life."""

    IN_STOCK = "in_stock"
    CONNECTED = "connected"
    EMPTY = "empty"
    RETURNED = "returned"
    DISCARDED = "discarded"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A keg on a tap from an instant on."""

    keg_id: UUID
    connected_at: datetime


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a pour took from a keg, and what the keg no longer held."""

    taken_ml: Decimal
    shortfall_ml: Decimal


def keg_at(connections: Sequence[Connection], at: datetime) -> UUID | None:
    """Return the keg connected at `at`, else the tap's first; `connections` are in order."""
    found = [one for one in connections if one.connected_at <= at]
    if found:
        return found[-1].keg_id
    return connections[0].keg_id if connections else None


def take_from_keg(remaining_ml: Decimal, volume_ml: Decimal) -> Taken:
    """Take a pour from what is left; a keg never holds less than nothing."""
    taken = min(remaining_ml, volume_ml)
    return Taken(taken_ml=taken, shortfall_ml=volume_ml - taken)


def status_after_disconnect(remaining_ml: Decimal) -> KegStatus:
    """Return what a swapped-out keg becomes: empty at nothing left, else back in stock."""
    return KegStatus.EMPTY if remaining_ml <= 0 else KegStatus.IN_STOCK
