"""A bar's month of measured pours with known faults, and what the rules say of it.

Everything follows from a seed. The rules are keg-fifo's own; only what a database would remember is
remembered here.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from pourline.keg_fifo.domain import anomalies
from pourline.keg_fifo.domain.anomalies import Anomaly, Finding, Hours, business_day

ZONE = ZoneInfo("Europe/Berlin")
BEGINS = date(2026, 3, 2)
DAYS = 30
SPOUTS = 8
LEAKS = 3
SINGLE_ML, DOUBLE_ML = 40, 80
DOUBLES = 0.2
NOT_RUNG = 0.02
"""Of a hundred drinks two go without a sale: staff, spills, forgotten."""
GENEROUS = 1.02
COUNTED_EVERY = 7
COUNT_ERROR = 0.01


@dataclass(frozen=True, kw_only=True)
class Pour:
    """What a spout measured; `fault` names what made it, if it was none of a guest's."""

    spout: int
    at: datetime
    volume_ml: Decimal
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is wrong from a day of business to another, and what should tell of it."""

    name: str
    spout: int
    first: date
    last: date
    told_by: frozenset[Anomaly]


@dataclass(frozen=True, kw_only=True)
class Told:
    """A finding, and the spout and day of business that it is about."""

    spout: int
    day: date
    finding: Finding


@dataclass(kw_only=True)
class Month:
    """What ran, what was sold of it, what was wrong, and how far counts were off."""

    pours: list[Pour] = field(default_factory=list)
    sold_ml: Counter[tuple[int, date]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    factors: dict[int, tuple[date, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Which faults were told of, and what was told with nothing wrong."""

    found: list[Fault]
    missed: list[Fault]
    false_alarms: list[Told]


def play(seed: int) -> Outcome:
    """Play a month and look at it as keg-fifo does."""
    dice = random.Random(seed)  # noqa: S311 a plan, no secret
    month = _month(dice)
    told = [*_look_at_pours(month), *_look_at_sales(month), *_look_at_counts(month, dice)]
    found = [one for one in month.faults if any(_tells(one, word) for word in told)]
    return Outcome(
        found=found,
        missed=[one for one in month.faults if one not in found],
        false_alarms=[
            word
            for word in told
            if not any(one.spout == word.spout and _while(one, word.day) for one in month.faults)
        ],
    )


def _while(fault: Fault, day: date) -> bool:
    return fault.first <= day <= fault.last


def _tells(fault: Fault, word: Told) -> bool:
    about = fault.spout == word.spout and _while(fault, word.day)
    return about and word.finding.kind in fault.told_by


def _month(dice: random.Random) -> Month:
    month = Month()
    spouts = dice.sample(range(SPOUTS), LEAKS + 3)
    for spout in spouts[:LEAKS]:
        _leak(month, dice, spout)
    _drift(month, dice, spouts[LEAKS])
    _nights(month, dice, spouts[LEAKS + 1])
    _flood(month, dice, spouts[LEAKS + 2])
    for day in range(DAYS):
        for spout in range(SPOUTS):
            _evening(month, dice, spout, BEGINS + timedelta(days=day))
    month.pours.sort(key=lambda one: one.at)
    return month


def _at(day: date, minutes: float) -> datetime:
    """Return so many minutes past noon of a day, in the bar's time."""
    return (datetime.combine(day, time(12), tzinfo=ZONE) + timedelta(minutes=minutes)).astimezone(
        UTC
    )


def _evening(month: Month, dice: random.Random, spout: int, day: date) -> None:
    """Pour from five to one, at weekends to three, and ring up nearly all of it."""
    weekend = day.weekday() in (4, 5)
    opens, closes = 300 + dice.uniform(-20, 20), (900 if weekend else 780) + dice.uniform(-30, 30)
    for _ in range(round(dice.uniform(40, 90) * (1.6 if weekend else 1.0))):
        nominal = DOUBLE_ML if dice.random() < DOUBLES else SINGLE_ML
        real = nominal * dice.gauss(GENEROUS, 0.04)
        at = _at(day, dice.triangular(opens, closes, (opens + closes) / 2))
        month.pours.append(
            Pour(spout=spout, at=at, volume_ml=_ml(real / _factor(month, spout, day)))
        )
        if dice.random() >= NOT_RUNG:
            month.sold_ml[spout, day] += nominal


def _ml(volume: float) -> Decimal:
    return Decimal(volume).quantize(Decimal("0.001"))


def _factor(month: Month, spout: int, day: date) -> float:
    """Return how much really runs for each millilitre that a spout measures."""
    since, times = month.factors.get(spout, (date.max, 1.0))
    return times if day >= since else 1.0


def _leak(month: Month, dice: random.Random, spout: int) -> None:
    """Let a valve drip around the clock for one to four days, two to four litres a day."""
    first = BEGINS + timedelta(days=dice.randint(8, 24))
    last = first + timedelta(days=dice.randint(0, 3))
    a_day = dice.uniform(2_050, 4_000)
    for number in range((last - first).days + 1):
        left = a_day
        while left > 0:
            drop = min(left, dice.uniform(10, 35))
            at = _at(first + timedelta(days=number), dice.uniform(-355, 1_075))
            month.pours.append(Pour(spout=spout, at=at, volume_ml=_ml(drop), fault="leak"))
            left -= drop
    told_by = frozenset({Anomaly.NO_SALE})
    name = f"leak, {a_day / 1000:.1f} l a day"
    month.faults.append(Fault(name=name, spout=spout, first=first, last=last, told_by=told_by))


def _drift(month: Month, dice: random.Random, spout: int) -> None:
    """Let a meter go wrong by eight to fifteen percent, from a day on."""
    since = BEGINS + timedelta(days=dice.randint(8, 15))
    times = 1 + dice.choice((-1, 1)) * dice.uniform(0.08, 0.15)
    month.factors[spout] = since, times
    month.faults.append(
        Fault(
            name=f"meter off by {times - 1:+.0%}",
            spout=spout,
            first=since,
            last=BEGINS + timedelta(days=DAYS),
            told_by=frozenset({Anomaly.CALIBRATION_DRIFT}),
        )
    )


def _nights(month: Month, dice: random.Random, spout: int) -> None:
    """Have somebody pour three drinks towards morning."""
    day = BEGINS + timedelta(days=dice.randint(10, DAYS - 2))
    for _ in range(3):
        at = _at(day, dice.uniform(1_020, 1_060))
        month.pours.append(Pour(spout=spout, at=at, volume_ml=_ml(SINGLE_ML), fault="night"))
    told_by = frozenset({Anomaly.UNUSUAL_HOUR})
    name = "three drinks at five in the morning"
    month.faults.append(Fault(name=name, spout=spout, first=day, last=day, told_by=told_by))


def _flood(month: Month, dice: random.Random, spout: int) -> None:
    """Leave a spout running once."""
    day = BEGINS + timedelta(days=dice.randint(4, DAYS - 2))
    volume_ml = _ml(dice.uniform(300, 700))
    month.pours.append(Pour(spout=spout, at=_at(day, 600), volume_ml=volume_ml, fault="flood"))
    told_by = frozenset({Anomaly.UNUSUAL_SIZE})
    name = f"one pour of {volume_ml:.0f} ml"
    month.faults.append(Fault(name=name, spout=spout, first=day, last=day, told_by=told_by))


def _look_at_pours(month: Month) -> Iterator[Told]:
    """Look at each pour as it comes; a kind is told once a spout and day."""
    sizes: defaultdict[int, list[Decimal]] = defaultdict(list)
    hours: defaultdict[tuple[int, date], Counter[int]] = defaultdict(Counter)
    usual: dict[tuple[int, date], Hours] = {}
    told: set[tuple[int, date, Anomaly]] = set()
    for pour in month.pours:
        day = business_day(pour.at, ZONE)
        if (pour.spout, day) not in usual:
            usual[pour.spout, day] = _usual(hours, pour.spout, day)
        history = sizes[pour.spout]
        for finding in (
            anomalies.unusual_size(pour.volume_ml, history[-anomalies.SIZE_HISTORY :]),
            anomalies.unusual_hour(pour.at, ZONE, usual[pour.spout, day]),
        ):
            if finding and (pour.spout, day, finding.kind) not in told:
                told.add((pour.spout, day, finding.kind))
                yield Told(spout=pour.spout, day=day, finding=finding)
        history.append(pour.volume_ml)
        hours[pour.spout, day][pour.at.astimezone(ZONE).hour] += 1


def _usual(hours: defaultdict[tuple[int, date], Counter[int]], spout: int, day: date) -> Hours:
    past = [
        found
        for (whose, when), found in hours.items()
        if whose == spout and day - anomalies.HOUR_HISTORY <= when < day
    ]
    return Hours(pours=sum(past, Counter()), days=len(past))


def _look_at_sales(month: Month) -> Iterator[Told]:
    """Compare each day with its sales."""
    ran: defaultdict[tuple[int, date], Decimal] = defaultdict(Decimal)
    for pour in month.pours:
        ran[pour.spout, business_day(pour.at, ZONE)] += pour.volume_ml
    for (spout, day), volume_ml in sorted(ran.items()):
        finding = anomalies.no_sale(volume_ml, Decimal(month.sold_ml[spout, day]))
        if finding:
            yield Told(spout=spout, day=day, finding=finding)


def _look_at_counts(month: Month, dice: random.Random) -> Iterator[Told]:
    """Count every bottle once a week, a little wrong as people do."""
    for week in range(DAYS // COUNTED_EVERY):
        first = BEGINS + timedelta(days=week * COUNTED_EVERY)
        last = first + timedelta(days=COUNTED_EVERY - 1)
        for spout in range(SPOUTS):
            pours = [(one, business_day(one.at, ZONE)) for one in month.pours if one.spout == spout]
            week_s = [(one, day) for one, day in pours if first <= day <= last]
            finding = _count(month, dice, week_s)
            if finding:
                yield Told(spout=spout, day=last, finding=finding)


def _count(month: Month, dice: random.Random, pours: Sequence[tuple[Pour, date]]) -> Finding | None:
    measured = sum((one.volume_ml for one, _ in pours), Decimal(0))
    gone = sum(float(one.volume_ml) * _factor(month, one.spout, day) for one, day in pours)
    counted_gone = _ml(gone * dice.gauss(1, COUNT_ERROR))
    return anomalies.calibration_drift(measured, measured - counted_gone)
