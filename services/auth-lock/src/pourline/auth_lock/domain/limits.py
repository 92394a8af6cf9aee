"""How much a guest may still be served: volume, money and alcohol, each by itself.

Pure functions of values. Sources: requirement LK-8; the statutes named in docs/limit-profiles.
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum

ETHANOL_G_PER_ML = Decimal("0.789")
"""Density of ethanol at 20 degrees Celsius (CRC Handbook of Chemistry and Physics)."""
WORTH_POURING_ML = Decimal(1)
"""What is less is used up: two words on one pour agree within this much (contract, "Pours")."""
ML_PER_LITRE = 1000
_MILLI = Decimal("0.001")


class Scope(StrEnum):
    """What a limit counts over."""

    SERVING = "serving"
    WINDOW = "window"
    VISIT = "visit"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most so much a serving, in any `window_s` seconds, or in a visit, of one kind or all.

    `amount` is in minor units, `alcohol_g` in grams of pure alcohol.
    """

    per: Scope
    window_s: int | None = None
    kind: str | None = None
    volume_ml: Decimal | None = None
    amount: int | None = None
    alcohol_g: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Used:
    """What counts against a limit already, and what open grants may still add."""

    volume_ml: Decimal = Decimal(0)
    amount: int = 0
    alcohol_g: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A limit and what of it is used; `people` share it."""

    limit: Limit
    used: Used
    people: int = 1


@dataclass(frozen=True, kw_only=True)
class Drink:
    """What would be poured: its kind, strength in percent by volume, and price.

    A kind that nobody knows is of every kind: no limit is missed.
    """

    kind: str | None
    abv: Decimal
    price_per_litre: int


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The most that a limit lets pour, and which limit that is, in words for the guest."""

    volume_ml: Decimal
    words: str

    @property
    def is_used_up(self) -> bool:
        """Return whether nothing worth pouring is left."""
        return self.volume_ml < WORTH_POURING_ML


def alcohol_g(volume_ml: Decimal, abv: Decimal) -> Decimal:
    """Return grams of pure alcohol: volume * abv / 100 * 0.789 g/ml."""
    return volume_ml * abv / 100 * ETHANOL_G_PER_ML


def least_allowance(standings: tuple[Standing, ...], drink: Drink) -> Allowance | None:
    """Return what the tightest limit leaves of a drink, or None when none applies."""
    found = [
        allowance
        for standing in standings
        if _is_about(standing.limit, drink)
        for allowance in _left(standing, drink)
    ]
    return min(found, key=lambda one: one.volume_ml, default=None)


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What a limit lets all who share it have, and what is left of that; None: not limited."""

    volume_ml: Decimal | None = None
    left_volume_ml: Decimal | None = None
    amount: int | None = None
    left_amount: int | None = None
    alcohol_g: Decimal | None = None
    left_alcohol_g: Decimal | None = None


def rest_of(standing: Standing) -> Rest:
    """Return what a limit leaves, never below nothing; nothing counts against a serving."""
    limit, used = standing.limit, standing.used
    people = 1 if limit.per is Scope.SERVING else standing.people
    volume_ml = None if limit.volume_ml is None else limit.volume_ml * people
    amount = None if limit.amount is None else limit.amount * people
    grams = None if limit.alcohol_g is None else limit.alcohol_g * people
    return Rest(
        volume_ml=volume_ml,
        left_volume_ml=None if volume_ml is None else _floor(volume_ml - used.volume_ml),
        amount=amount,
        left_amount=None if amount is None else max(amount - used.amount, 0),
        alcohol_g=grams,
        left_alcohol_g=None if grams is None else _floor(grams - used.alcohol_g),
    )


def _is_about(limit: Limit, drink: Drink) -> bool:
    if limit.kind is None or drink.kind is None:
        return True
    return limit.kind.casefold() == drink.kind.casefold()


def _left(standing: Standing, drink: Drink) -> list[Allowance]:
    """Return what each measure of one limit leaves, in millilitres of this drink."""
    limit, used = standing.limit, standing.used
    people = 1 if limit.per is Scope.SERVING else standing.people
    left: list[tuple[Decimal, str]] = []
    if limit.volume_ml is not None:
        left.append(
            (limit.volume_ml * people - used.volume_ml, f"{_plain(limit.volume_ml * people)} ml")
        )
    if limit.amount is not None and drink.price_per_litre:
        rest = Decimal(limit.amount * people - used.amount)
        left.append((rest * ML_PER_LITRE / drink.price_per_litre, "your spending limit"))
    if limit.alcohol_g is not None and drink.abv:
        rest = limit.alcohol_g * people - used.alcohol_g
        grams = f"{_plain(limit.alcohol_g * people)} g of alcohol"
        left.append((rest / alcohol_g(Decimal(1), drink.abv), grams))
    return [
        Allowance(volume_ml=_floor(volume), words=f"{measure}{_of(limit)} {_per(limit)}")
        for volume, measure in left
    ]


def _floor(volume_ml: Decimal) -> Decimal:
    return max(volume_ml, Decimal(0)).quantize(_MILLI, rounding=ROUND_FLOOR)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _of(limit: Limit) -> str:
    return f" of {limit.kind}" if limit.kind else ""


def _per(limit: Limit) -> str:
    if limit.per is not Scope.WINDOW:
        return f"per {limit.per.value}"
    minutes, seconds = divmod(limit.window_s or 0, 60)
    if seconds:
        return f"in {limit.window_s} s"
    return f"in {minutes // 60} h" if minutes % 60 == 0 else f"in {minutes} min"
