"""keg-fifo's rules: which keg lost a pour, which keg comes next, what leaves which batch.

Pure functions of values. Sources: the outer contract, "Pours" and "Spouts"; requirements KG and
SP-4 to SP-6.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import assert_never
from uuid import UUID, uuid5


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
EVENTS_NAMESPACE = UUID("6f0d6a5e-9d0c-5c9e-8a36-2f6f5b8f2c11")
"""Below which the ids of spout events are made that came without one; never change it."""
SANDBOX = "SANDBOX"
"""The vendor of spouts that are no hardware."""
PEOPLE = UUID(int=0)
"""Stands for the device where people took from the stock; the event is then the movement's id."""


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
    """What a run of events takes from batches, and what each could not get."""

    takings: Sequence[BatchTaking]
    shortfalls: Sequence[Need]


def take_first_in_first_out(batches: Sequence[Batch], needs: Sequence[Need]) -> Consumption:
    """Take each need in turn from the first batch that holds something.

    `batches` are in order of receipt; none ends below nothing, and none is touched before those
    ahead of it are empty. A receipt settles shortfalls by the same rule: one batch, old needs.
    """
    left = deque(batches)
    takings: list[BatchTaking] = []
    shortfalls: list[Need] = []
    for need in needs:
        missing = need.quantity
        while missing > 0 and left:
            batch = left.popleft()
            taken = min(batch.remaining, missing)
            missing -= taken
            if taken > 0:
                takings.append(_taking(batch, need, taken))
            if batch.remaining > taken:
                left.appendleft(replace(batch, remaining=batch.remaining - taken))
        if missing > 0:
            shortfalls.append(replace(need, quantity=missing))
    return Consumption(takings=takings, shortfalls=shortfalls)


def _taking(batch: Batch, need: Need, quantity: Decimal) -> BatchTaking:
    return BatchTaking(
        batch_id=batch.id,
        device_id=need.device_id,
        event_id=need.event_id,
        quantity=quantity,
    )


class Source(StrEnum):
    """What moved stock; `purchase` is a sale."""

    PURCHASE = "purchase"
    MANUAL_ADJUSTMENT = "manual_adjustment"
    RECONCILIATION = "reconciliation"
    SYSTEM = "system"
    POUR = "pour"
    RECEIPT = "receipt"


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A signed quantity that came into an item's stock or left it, and why.

    `transaction_id` names what moved it, once for an item; `shortfall` is what no batch covered.
    """

    id: UUID
    item_id: UUID
    delta: Decimal
    source: Source
    reason: str | None
    actor: str
    transaction_id: str
    occurred_at: datetime
    shortfall: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a spout pours, as far as its stock goes; tracked while its switch and all's are on."""

    id: UUID
    unit: Unit
    tracking_enabled: bool


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a spout's channel pours, and how much a pulse, from an instant on."""

    item_id: UUID
    ml_per_pulse: Decimal
    effective_from: datetime


@dataclass(frozen=True, kw_only=True)
class SpoutReport:
    """A spout's word on one drink, its signature checked; `digest` tells other content apart."""

    device_id: UUID
    vendor: str
    location: str
    event_id: str
    channel: int
    pulses: int
    occurred_at: datetime
    received_at: datetime
    digest: bytes

    @property
    def key(self) -> tuple[UUID, str]:
        """Return what no two drinks share."""
        return self.device_id, self.event_id


@dataclass(frozen=True, kw_only=True)
class Drink:
    """A measured drink: its volume, and what leaves the stock in the item's unit."""

    device_id: UUID
    event_id: str
    occurred_at: datetime
    item_id: UUID
    volume_ml: Decimal
    quantity: Decimal


def calibration_at(calibrations: Sequence[Calibration], at: datetime) -> Calibration | None:
    """Return the calibration in force at `at`, else the first; `calibrations` are in order."""
    found = [one for one in calibrations if one.effective_from <= at]
    if found:
        return found[-1]
    return calibrations[0] if calibrations else None


def poured_ml(pulses: int, ml_per_pulse: Decimal) -> Decimal:
    """Return a drink's volume: exact, then kept to 3 decimals, rounded half up."""
    return (pulses * ml_per_pulse).quantize(THREE_DECIMALS, rounding=ROUND_HALF_UP)


def in_unit(volume_ml: Decimal, unit: Unit) -> Decimal:
    """Return a volume of 3 decimals in ml or litres, exactly; raises `ValueError` for `each`."""
    match unit:
        case Unit.ML:
            return volume_ml
        case Unit.LTR:
            return volume_ml / ML_A_LITRE
        case Unit.EACH:
            raise ValueError("what is counted has no volume")
        case _:
            assert_never(unit)


def quantity_of(volume_ml: Decimal, item: Item) -> Decimal:
    """Return what a drink takes from the stock: nothing where the item is not tracked."""
    return in_unit(volume_ml, item.unit) if item.tracking_enabled else Decimal(0)


def default_event_id(device: UUID, occurred_at: datetime, channel: int, pulses: int) -> str:
    """Return the id of an event that came without one: a blind repeat has the same."""
    at = occurred_at.astimezone(UTC).isoformat()
    return str(uuid5(EVENTS_NAMESPACE, f"{device}:{at}:{channel}:{pulses}"))


def must_be_signed(vendor: str, *, verify: bool, verify_sandbox: bool) -> bool:
    """Return whether a device's pours need a signature; the demo excepts its own devices."""
    return verify and (verify_sandbox or vendor.upper() != SANDBOX)


def is_signed(message: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Return whether `signature` is `message`'s HMAC-SHA256 under one of `secrets`."""
    given = (signature or "").encode()
    made = [hmac.new(secret.encode(), message, hashlib.sha256).hexdigest() for secret in secrets]
    return any(hmac.compare_digest(given, one.encode()) for one in made)
