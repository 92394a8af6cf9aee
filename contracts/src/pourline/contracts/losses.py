"""What became of a keg's beer, and how long what is left will last."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from pourline.contracts.base import (
    Event,
    Id,
    Instant,
    Message,
    Quantity,
    QuantitySum,
    Query,
    StaffId,
    Text,
    Volume,
)
from pourline.contracts.cellar import KegStatus


class LossClass(StrEnum):
    """Why beer was not sold.

    `ghost`: ran without a card. `waste`: a person decided so. `cleaning`: ran while the line was
    cleaned. `held`: a person has yet to decide. `discarded`: what a keg held that went back or
    was thrown away. `unaccounted`: what the books still had in a keg that was empty.
    """

    GHOST = "ghost"
    WASTE = "waste"
    CLEANING = "cleaning"
    HELD = "held"
    DISCARDED = "discarded"
    UNACCOUNTED = "unaccounted"


class GetKegYield(Query):
    """What became of one keg's beer."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.yield"
    keg_id: Id


class KegYield(Message):
    """What became of a keg's beer.

    `poured_ml` was for guests; `losses` has every class; `over_ml` ran beyond what the keg was
    said to hold. `yield_ratio` = (poured + over) / nominal, absent before anything left the keg.
    `fresh_days` counts whole days since the keg was first tapped, until it was off for good.
    """

    keg_id: Id
    beverage_id: Id
    status: KegStatus
    nominal_ml: Volume
    remaining_ml: Volume
    poured_ml: QuantitySum
    losses: dict[LossClass, QuantitySum]
    over_ml: QuantitySum
    yield_ratio: Quantity | None = None
    tapped_at: Instant | None = None
    fresh_days: int | None = None


class GetForecast(Query):
    """When each connected keg will be empty."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.forecast"


class KegForecast(Message):
    """When a connected keg will be empty at its recent rate; without it there is too little to say.

    `basis` says in words what the rate was worked out from.
    """

    keg_id: Id
    tap_id: StaffId
    beverage_id: Id
    beverage: str
    remaining_ml: Volume
    rate_ml_day: Quantity | None = None
    runs_out_at: Instant | None = None
    days_left: Quantity | None = None
    basis: str
    tapped_at: Instant | None = None
    fresh_days: int | None = None


class Forecast(Message):
    """Connected kegs, the one that is empty first ahead, those without a forecast last."""

    items: list[KegForecast]


LOSSES_DAYS_MAX = 400
"""A year and the month before it."""


class GetLosses(Query):
    """What was not sold in a stretch of time, at most 400 days; `to` is the first instant not."""

    OWNER: ClassVar[str] = "keg-fifo"
    NAME: ClassVar[str] = "keg.losses"
    from_: Annotated[Instant, Field(alias="from")]
    to: Instant

    @model_validator(mode="after")
    def _is_a_stretch(self) -> Self:
        if not timedelta(0) < self.to - self.from_ <= timedelta(days=LOSSES_DAYS_MAX):
            raise ValueError(f"to must be after from, by at most {LOSSES_DAYS_MAX} days")
        return self


class LossSum(Message):
    """How much of a beverage was lost in one way."""

    loss: LossClass
    beverage_id: Id | None = None
    volume_ml: QuantitySum


class Losses(Message):
    """Losses by class and beverage, the largest first.

    A pour counts where it began, the rest of a keg when the keg was taken off for good.
    """

    items: Annotated[list[LossSum], Field(max_length=1000)]


class TapCleaned(Event):
    """A line cleaning is over, or was broken off; `due_at` is when the next one is due."""

    TYPE: ClassVar[str] = "tap.cleaned"
    PRODUCER: ClassVar[str] = "auth-lock"
    tap_id: StaffId
    location: StaffId
    began_at: Instant
    ended_at: Instant
    due_at: Instant | None = None
    actor: Text
