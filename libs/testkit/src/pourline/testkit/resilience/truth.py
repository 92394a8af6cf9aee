"""What was really poured, and how the bar's books differ from it.

The truth comes from the taps alone: what a raw tap sent, what a controller stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True, kw_only=True)
class Poured:
    """A pour that a tap has stored, and what it must cost at `price_per_litre`."""

    client_tx_id: str
    tap_id: str
    visit_id: str
    volume_ml: Decimal
    price_per_litre: int
    grant_id: str | None = None

    @property
    def amount(self) -> int:
        """Minor units, rounded half up (contract 1)."""
        exact = self.volume_ml * self.price_per_litre / 1000
        return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@dataclass(frozen=True, kw_only=True)
class Booked:
    """A pour as the bar's books have it."""

    client_tx_id: str
    volume_ml: Decimal
    amount: int
    status: str


@dataclass(frozen=True, kw_only=True)
class Account:
    """A visit as the bar tells it."""

    visit_id: str
    topped_up: int
    balance: int
    held: int
    active_tap_id: str | None


def lost(truth: Iterable[Poured], books: Mapping[str, Booked]) -> list[str]:
    """Return the pours that the books do not have, or not as they were."""
    found = []
    for pour in truth:
        booked = books.get(pour.client_tx_id)
        if booked is None or booked.status != "accepted" or booked.volume_ml != pour.volume_ml:
            found.append(f"lost: {pour} is {booked}")
    return found


def doubled(truth: Iterable[Poured], books: Mapping[str, Booked]) -> list[str]:
    """Return the pours that were charged and were none, or were charged more than they cost."""
    known = {pour.client_tx_id: pour for pour in truth}
    found = []
    for booked in books.values():
        pour = known.get(booked.client_tx_id)
        if pour is None or booked.amount > pour.amount:
            found.append(f"charged too much: {booked} was {pour}")
    return found


def misbalanced(truth: Sequence[Poured], accounts: Iterable[Account]) -> list[str]:
    """Return the visits whose balance is not what was put in less what their pours cost."""
    spent: dict[str, int] = defaultdict(int)
    for pour in truth:
        spent[pour.visit_id] += pour.amount
    return [
        f"balance: {one} spent {spent[one.visit_id]}"
        for one in accounts
        if one.balance != one.topped_up - spent[one.visit_id]
    ]


def fastened(accounts: Iterable[Account]) -> list[str]:
    """Return the visits that are still locked, or whose money is still held."""
    return [f"locked: {one}" for one in accounts if one.held or one.active_tap_id]


def volumes(truth: Iterable[Poured]) -> dict[str, Decimal]:
    """Return what each tap poured, millilitres."""
    poured: dict[str, Decimal] = defaultdict(Decimal)
    for pour in truth:
        poured[pour.tap_id] += pour.volume_ml
    return poured
