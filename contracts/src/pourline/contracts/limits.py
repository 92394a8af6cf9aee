"""Limit profiles: how much one guest may be served, as data that staff put under a config key.

A misspelt field is refused, never ignored: it would be a limit that does not limit.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from pourline.contracts.base import (
    Count,
    Id,
    Instant,
    Message,
    Name,
    PositiveAmount,
    Quantity,
    Query,
    Text,
    Volume,
)

LIMITS_MAX = 20
WINDOW_S_MAX = 7 * 24 * 3600
COMPANIONS_MAX = 50
PROFILE_KEY = r"limit_profile\.[A-Za-z0-9_-]{1,64}"
"""The configuration key of a profile; its last part is what a visit names."""


class LimitScope(StrEnum):
    """What a limit counts over."""

    SERVING = "serving"
    WINDOW = "window"
    VISIT = "visit"


class Limit(Message):
    """At most so much a serving, in any stretch of `window_s`, or in a visit.

    `kind` is a beverage's kind (`beer`, `wine`, `spirits`); absent: everything counts. Of
    `volume_ml`, `amount` (minor units) and `alcohol_g` at least one is there; each limits by
    itself. A volume of 0 says that the kind is not served.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per: LimitScope
    window_s: Annotated[int, Field(strict=True, ge=60, le=WINDOW_S_MAX)] | None = None
    kind: Name | None = None
    volume_ml: Annotated[Volume, Field(ge=0)] | None = None
    amount: PositiveAmount | None = None
    alcohol_g: Annotated[Quantity, Field(gt=0, le=10**6)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.volume_ml is None and self.amount is None and self.alcohol_g is None:
            raise ValueError("a limit needs volume_ml, amount or alcohol_g")
        if (self.per is LimitScope.WINDOW) != (self.window_s is not None):
            raise ValueError("window_s belongs to a limit per window, and to no other")
        return self


class Reactivation(Message):
    """What a re-activation by staff grants: which counts start anew, and how often a visit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    starts_anew: list[LimitScope] = Field(default_factory=lambda: [LimitScope.VISIT])
    at_most: Annotated[int, Field(strict=True, ge=0, le=1000)] | None = None


class LimitProfile(Message):
    """The limits of a place or a house.

    With `counts_companions` what a visit or window may have is multiplied by the people at the
    card; a serving never is. `assumed_abv` (percent) counts for beverages whose strength nobody
    gave: a profile that limits alcohol must say it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Name
    source: Text | None = None
    limits: Annotated[list[Limit], Field(min_length=1, max_length=LIMITS_MAX)]
    counts_companions: Annotated[bool, Field(strict=True)] = True
    assumed_abv: Annotated[Quantity, Field(gt=0, le=100)] | None = None
    reactivation: Reactivation = Reactivation()

    @model_validator(mode="after")
    def _knows_the_strength(self) -> Self:
        if self.assumed_abv is None and any(one.alcohol_g is not None for one in self.limits):
            raise ValueError("a profile that limits alcohol_g needs assumed_abv")
        return self


class GetLimitsLeft(Query):
    """What a visit's limit profile leaves its guest now."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.limits"
    visit_id: Id


class LimitLeft(Message):
    """A limit, and what it leaves of each of its measures; never below nothing.

    For everybody at the card together, where the profile counts companions. What an open grant may
    still pour counts as poured. A serving's limit is left whole.
    """

    per: LimitScope
    window_s: int | None = None
    kind: Name | None = None
    volume_ml: Volume | None = None
    left_volume_ml: Volume | None = None
    amount: Count | None = None
    left_amount: Count | None = None
    alcohol_g: Quantity | None = None
    left_alcohol_g: Quantity | None = None


class LimitsLeft(Message):
    """What is left of each limit of a visit's profile, in its order; empty without one."""

    visit_id: Id
    as_of: Instant
    items: list[LimitLeft] = Field(default_factory=list)
