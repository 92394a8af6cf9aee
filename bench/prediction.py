"""How well the day on which an item runs out is predicted, beside two naive ways.

Bars are simulated: months of evenings with a weekday's pattern, a trend, noise and an event day.
On every day a stock of some days' worth is taken, each way says when it runs out, and what really
happened afterwards says who was right. Everything comes from a seed: the table is the same each
time.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from pourline.alerts.domain.prediction import PREDICTION_DAYS, Consumed, run_out_day

DAYS: Final = 180
BARS: Final = 40
LEARNED_AFTER: Final = 28
COVERS_DAYS: Final = (3, 5, 7, 10)
"""Stocks that last about so many usual days."""
FIRST: Final = date(2026, 1, 5)
SEED: Final = 20260105
HORIZON: Final = 14
"""A way that sees no end within these days is counted as if it had named the day after."""

Way = Callable[[Decimal, Consumed, date], date | None]


@dataclass(frozen=True, kw_only=True)
class House:
    """What an evening in a bar is like: each weekday's share of a usual day, and what varies."""

    name: str
    week: tuple[int, ...]
    trend_percent: int
    noise_percent: int
    event_percent: int = 0


HOUSES: Final = (
    House(
        name="pub, busy weekends",
        week=(40, 40, 60, 90, 200, 220, 50),
        trend_percent=0,
        noise_percent=20,
    ),
    House(
        name="the same, growing by half",
        week=(40, 40, 60, 90, 200, 220, 50),
        trend_percent=50,
        noise_percent=20,
    ),
    House(
        name="the same, with an event of 3 days' worth",
        week=(40, 40, 60, 90, 200, 220, 50),
        trend_percent=0,
        noise_percent=20,
        event_percent=300,
    ),
    House(
        name="hotel bar, every day alike",
        week=(100,) * 7,
        trend_percent=0,
        noise_percent=25,
    ),
    House(
        name="club, shut Monday to Wednesday",
        week=(0, 0, 0, 100, 300, 300, 0),
        trend_percent=0,
        noise_percent=30,
    ),
)


def evenings(house: House, dice: random.Random) -> list[Decimal]:
    """Return what was consumed each day, in millilitres."""
    usual = Decimal(dice.randint(500, 5000))
    event = dice.randrange(LEARNED_AFTER, DAYS)
    consumed = []
    for number in range(DAYS):
        weekday = (FIRST + timedelta(days=number)).weekday()
        percent = Decimal(house.week[weekday])
        percent *= 1 + Decimal(house.trend_percent * number) / (100 * DAYS)
        noise = house.noise_percent * 10
        percent *= 1 + Decimal(dice.randint(-noise, noise)) / 1000
        if number == event:
            percent += house.event_percent
        consumed.append((usual * percent / 100).quantize(Decimal("0.001")))
    return consumed


def of_weekdays(left: Decimal, consumed: Consumed, today: date) -> date | None:
    """Return what the bar's own method says."""
    return run_out_day(left, consumed, today=today, within_days=HORIZON)


def as_yesterday(left: Decimal, consumed: Consumed, today: date) -> date | None:
    """Return what follows from yesterday alone."""
    rate = consumed.get(today - timedelta(days=1), Decimal(0))
    return _at_a_rate(left, Fraction(rate), today)


def as_the_mean(left: Decimal, consumed: Consumed, today: date) -> date | None:
    """Return what follows from the mean of the last 28 days."""
    days = [consumed.get(today - timedelta(days=back), Decimal(0)) for back in range(1, 29)]
    return _at_a_rate(left, Fraction(sum(days, Decimal(0))) / len(days), today)


def _at_a_rate(left: Decimal, rate: Fraction, today: date) -> date | None:
    if rate <= 0:
        return None
    days = -(-Fraction(left) // rate) - 1  # a stock of exactly one day is gone at its end
    return today + timedelta(days=days) if days <= HORIZON else None


WAYS: Final[dict[str, Way]] = {
    "weekdays": of_weekdays,
    "mean of 28 days": as_the_mean,
    "yesterday's rate": as_yesterday,
}


@dataclass(kw_only=True)
class Score:
    """How a way did: days off, and what its warnings within a week were worth."""

    asked: int = 0
    days_off: int = 0
    exact: int = 0
    warned: int = 0
    rightly: int = 0
    due: int = 0

    def add(self, *, said: int, really: int) -> None:
        """Count one prediction, both in days from the day it was made."""
        self.asked += 1
        self.days_off += abs(said - really)
        self.exact += said == really
        self.warned += said <= PREDICTION_DAYS
        self.due += really <= PREDICTION_DAYS
        self.rightly += said <= PREDICTION_DAYS and really <= PREDICTION_DAYS


def back_test(house: House, dice: random.Random) -> dict[str, Score]:
    """Ask every way on every day of every simulated bar."""
    scores = {name: Score() for name in WAYS}
    for _ in range(BARS):
        days = evenings(house, dice)
        for number in range(LEARNED_AFTER, DAYS - HORIZON):
            past = {FIRST + timedelta(days=one): days[one] for one in range(number)}
            usual = sum(days[number - LEARNED_AFTER : number], Decimal(0)) / LEARNED_AFTER
            for left in (usual * covers for covers in COVERS_DAYS):
                _ask_all(scores, left, past, really=_really(left, days[number:]))
    return scores


def _ask_all(scores: dict[str, Score], left: Decimal, past: Consumed, *, really: int) -> None:
    today = max(past) + timedelta(days=1)
    for name, way in WAYS.items():
        named = way(left, past, today)
        said = (named - today).days if named else HORIZON + 1
        scores[name].add(said=said, really=really)


def _really(left: Decimal, coming: Sequence[Decimal]) -> int:
    """Return after how many days nothing was left."""
    for number, consumed in enumerate(coming[: HORIZON + 1]):
        left -= consumed
        if left <= 0:
            return number
    return HORIZON + 1


def table() -> str:
    """Return every score as a table."""
    lines = [
        "| bar | way | days off | exact day | right warnings | stock-outs warned of |",
        "|---|---|---|---|---|---|",
    ]
    for house in HOUSES:
        for name, score in back_test(house, random.Random(SEED)).items():  # noqa: S311 a simulation
            lines.append(
                f"| {house.name} | {name} | {Decimal(score.days_off) / score.asked:.2f}"
                f" | {100 * score.exact // score.asked} %"
                f" | {100 * score.rightly // max(1, score.warned)} %"
                f" | {100 * score.rightly // max(1, score.due)} % |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
