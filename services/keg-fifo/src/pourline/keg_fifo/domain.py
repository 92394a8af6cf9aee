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


class Unit(StrEnum):
    """What an item is counted in."""

    ML = "ml"
    LTR = "ltr"
    EACH = "each"


ML_A_LITRE = Decimal(1000)
THREE_DECIMALS = Decimal("0.001")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A received quantity and what is left of it."""

    id: UUID
    remaining: Decimal


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one spout event takes from an item, in the item's unit."""

    device_id: UUID
    event_id: str
    quantity: Decimal


@dataclass(frozen=True, kw_only=True)
class BatchTaking:
    """What one event took from one batch."""

    batch_id: UUID
    device_id: UUID
    event_id: str
    quantity: Decimal


@dataclass(frozen=True, kw_only=True)
class Consumption:
    """What a run of events takes from an item's batches, and what each could not get."""

    takings: Sequence[BatchTaking]
    shortfalls: Sequence[Need]


def take_first_in_first_out(batches: Sequence[Batch], needs: Sequence[Need]) -> Consumption:
    """Take each need in turn from the first batch that holds something.

    `batches` are in order of receipt; none ends below nothing, and nothing is taken from one
    before the batches ahead of it are empty.
    """
    left = [[batch.id, batch.remaining] for batch in batches]
    takings: list[BatchTaking] = []
    shortfalls: list[Need] = []
    place = 0
    for need in needs:
        open_quantity = need.quantity
        while open_quantity > 0 and place < len(left):
            batch_id, remaining = left[place]
            taken = min(remaining, open_quantity)
            if taken > 0:
                takings.append(_taking(batch_id, need, taken))
            open_quantity -= taken
            left[place][1] = remaining - taken
            place += left[place][1] == 0
        if open_quantity > 0:
            shortfalls.append(replace(need, quantity=open_quantity))
    return Consumption(takings=takings, shortfalls=shortfalls)
