"""What the tap's rules speak of: rules, grants, flow, pours; volumes and amounts exact."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum

from pourline.controller.domain.gas import GasRules

MILLILITRE_STEP = Decimal("0.001")


class Phase(Enum):
    """Where a tap is between two guests."""

    IDLE = "idle"
    ASKING = "asking"
    GRANTED = "granted"  # allowed, the grant not yet durable: the valve is shut
    POURING = "pouring"
    SETTLING = "settling"  # the valve is shut, the last drops still pass the meter
    ENDING = "ending"  # the pour is not yet durable


@dataclass(frozen=True, slots=True)
class Rules:
    """What one tap's hardware and house set; all times in milliseconds.

    `unused_end_ms` ends a grant under which nothing has begun to run, `idle_end_ms` one whose flow
    rests, though never before `open_grace_ms` after the opening: the surge of a valve that opens
    is no pour yet. Less than `min_pour_ml` is told as no pour; its pulses are told all the same.
    """

    ml_per_pulse: Decimal = Decimal("0.185")  # SwissFlow SF800, 5,400 pulses a litre
    ask_every_ms: int = 1_000
    ask_for_ms: int = 5_000
    unused_end_ms: int = 15_000
    idle_end_ms: int = 3_000
    open_grace_ms: int = 0
    min_pour_ml: Decimal = Decimal(0)
    settle_ms: int = 150
    leak_settled_ms: int = 2_000
    longest_pour_ms: int = 120_000
    gas: GasRules = field(default_factory=GasRules)


@dataclass(frozen=True, slots=True)
class Grant:
    """An allow: this card may pour so much, for so long, if it begins by `expires_at`.

    `opens_for_ms` is the same as a span since it was decided, `opens_by_ms` what that makes of the
    device's own elapsed clock, counted from its question: the time of day may be wrong here.
    `sync_timeout_s` is how long the bar wants a pour to wait for its answer before it is shown.
    """

    grant_id: str
    request_id: str
    card_uid: str
    max_volume_ml: Decimal
    visit_id: str | None = None
    max_duration_ms: int | None = None
    price_per_litre: int | None = None
    expires_at: datetime | None = None
    opens_for_ms: int | None = None
    opens_by_ms: int | None = None
    sync_timeout_s: float | None = None

    def may_open(self, *, elapsed_ms: int, wall: datetime) -> bool:
        """Tell by the clock that cannot be wrong, where the answer said enough for it."""
        if self.opens_by_ms is not None:
            return elapsed_ms <= self.opens_by_ms
        return self.expires_at is None or wall <= self.expires_at


@dataclass(frozen=True, slots=True)
class Pour:
    """What left the tap, as it is stored and sent until the backend has answered."""

    client_tx_id: str
    short_id: str
    volume_ml: Decimal
    pulses: int
    started_at: datetime
    ended_at: datetime
    duration_ms: int
    ended_boot: str
    ended_elapsed_ms: int
    offline: bool = False
    grant_id: str | None = None
    request_id: str | None = None
    visit_id: str | None = None
    card_uid: str | None = None
    price_per_litre: int | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """What the meter saw since the valve opened; `run_ms`: its own clock, to the last pulse."""

    pulses: int = 0
    run_ms: int = 0


def volume_ml(pulses: int, ml_per_pulse: Decimal) -> Decimal:
    """Turn pulses into millilitres, to three decimals, half up (contract section 1)."""
    return (pulses * ml_per_pulse).quantize(MILLILITRE_STEP, ROUND_HALF_UP)


def poured_ml(pulses: int, rules: Rules) -> Decimal:
    """Return the volume of a pour in millilitres: nothing below the house's minimum."""
    volume = volume_ml(pulses, rules.ml_per_pulse)
    return volume if volume >= rules.min_pour_ml else volume_ml(0, rules.ml_per_pulse)


def amount_of(volume: Decimal, price_per_litre: int) -> int:
    """Return what a volume costs in minor units, half up: the device's guess, never the charge."""
    exact = volume * price_per_litre / 1000
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))
