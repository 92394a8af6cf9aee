"""What reports show, worked out of what the owners answered: functions of values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from pourline.console.pages import words
from pourline.console.pages.plots import Bar, Line, Slice
from pourline.contracts.cellar import Keg
from pourline.contracts.losses import LossClass, LossSum
from pourline.contracts.money import Pour
from pourline.contracts.reports import PourSums

BACK = timedelta(hours=24)
AHEAD = timedelta(hours=24)
WEEK = 7
NOTHING = Decimal(0)
LOSSES = {
    LossClass.GHOST: "ran without a card",
    LossClass.WASTE: "wasted",
    LossClass.CLEANING: "cleaned lines",
    LossClass.HELD: "waits for a person",
    LossClass.DISCARDED: "went back or was thrown away",
    LossClass.UNACCOUNTED: "missing from empty kegs",
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the bar writes numbers and moments."""

    currency: str
    zone: ZoneInfo
    unit: str

    def volume(self, volume_ml: Decimal) -> str:
        """Write a volume."""
        return words.volume(volume_ml, self.unit)

    def money(self, amount: int) -> str:
        """Write money."""
        return words.money(amount, self.currency)


@dataclass(frozen=True, kw_only=True)
class KegHistory:
    """A connected keg, its name, and the pours that its tap made last, newest first.

    `rate_ml_day` is what its owner foresees for it; None where there is too little to say.
    """

    name: str
    keg: Keg
    pours: Sequence[Pour]
    rate_ml_day: Decimal | None = None


def hour_bars(hours: Sequence[PourSums], look: Look) -> list[Bar]:
    """Return a bar for each hour of a business day."""
    return [
        Bar(
            label=one.begins_at.astimezone(look.zone).strftime("%H"),
            value=one.volume_ml,
            shown=look.volume(one.volume_ml),
        )
        for one in hours
    ]


def beverage_rows(
    sums: Sequence[PourSums], names: Mapping[str, str], look: Look
) -> list[tuple[str, str, str, str]]:
    """Return name, pours, volume and money of each beverage."""
    return [
        (
            names.get(one.beverage_id or "", "Unknown beverage"),
            f"{one.pours:,}",
            look.volume(one.volume_ml),
            look.money(one.amount),
        )
        for one in sums
    ]


def same_weekday(days: Sequence[PourSums]) -> list[PourSums]:
    """Return the last day and those a whole number of weeks before it, the oldest first."""
    return list(reversed([*reversed(days)][::WEEK]))


def weekday_bars(days: Sequence[PourSums], look: Look) -> list[Bar]:
    """Return what was charged on each of these days, the last one marked."""
    return [
        Bar(
            label=one.day.strftime("%d %b") if one.day else "",
            value=Decimal(one.amount),
            shown=look.money(one.amount),
            is_marked=one is days[-1],
        )
        for one in days
    ]


def compared(days: Sequence[PourSums], look: Look) -> list[tuple[str, str, str]]:
    """Return what is compared, the last day's figure, and the mean of those before that poured."""
    if not days:
        return []
    last, before = days[-1], [one for one in days[:-1] if one.pours]
    number = len(before)
    pours = sum(one.pours for one in before)
    volume_ml = sum((one.volume_ml for one in before), NOTHING)
    amount = sum(one.amount for one in before)
    return [
        ("Pours", f"{last.pours:,}", f"{round(Decimal(pours) / number):,}" if number else "-"),
        ("Volume", look.volume(last.volume_ml), look.volume(volume_ml / number) if number else "-"),
        (
            "Charged",
            look.money(last.amount),
            look.money(round(Decimal(amount) / number)) if number else "-",
        ),
    ]


def variance(
    days: Sequence[PourSums], received: Sequence[Keg], lost: Sequence[LossSum], look: Look
) -> list[tuple[str, list[Slice]]]:
    """Return a week's kegs that came, and what left kegs: charged, and lost by its class."""
    week = days[-WEEK:]
    if not week:
        return []
    begins_at = week[0].begins_at
    came = sum((one.volume_ml for one in received if one.received_at >= begins_at), NOTHING)
    charged = sum((one.volume_ml for one in week), NOTHING)
    poured = [_slice("charged", charged, 0, look)]
    for kind, (loss, name) in enumerate(LOSSES.items(), start=1):
        volume_ml = sum((one.volume_ml for one in lost if one.loss is loss), NOTHING)
        poured.append(_slice(name, volume_ml, kind, look))
    return [
        ("Kegs received", [_slice("received", came, 0, look)] if came else []),
        ("Poured", [one for one in poured if one.value > 0]),
    ]


def keg_line(history: KegHistory, now: datetime) -> Line | None:
    """Return a keg's level over the last day and, at the rate its owner foresees, over the next.

    The level is walked back from what is there now: each pour had it higher by its volume.
    """
    keg = history.keg
    if keg.volume_ml <= 0 or keg.connected_at is None:
        return None
    begin = max(keg.connected_at, now - BACK)
    level, points = keg.remaining_ml, [(now, keg.remaining_ml)]
    for pour in history.pours:
        if pour.keg_id != keg.id or pour.ended_at < begin:
            continue
        points.append((pour.ended_at, level))
        level += max(pour.volume_ml, NOTHING)
        points.append((pour.started_at, level))
    points.append((begin, level))
    shown = tuple(_point(at, ml, keg, now) for at, ml in reversed(points))
    foreseen = _foreseen(keg, history.rate_ml_day, now)
    return Line(name=history.name, points=shown, foreseen=foreseen)


def _foreseen(
    keg: Keg, rate_ml_day: Decimal | None, now: datetime
) -> tuple[tuple[Decimal, Decimal], ...]:
    if not rate_ml_day or rate_ml_day <= 0:
        return ()
    day_s = Decimal(int(timedelta(days=1).total_seconds()))
    end_s = min(keg.remaining_ml * day_s / rate_ml_day, Decimal(int(AHEAD.total_seconds())))
    rest = keg.remaining_ml - rate_ml_day * end_s / day_s
    end = now + timedelta(seconds=int(end_s))
    return (_point(now, keg.remaining_ml, keg, now), _point(end, rest, keg, now))


def _point(at: datetime, level_ml: Decimal, keg: Keg, now: datetime) -> tuple[Decimal, Decimal]:
    whole_s = Decimal(int((BACK + AHEAD).total_seconds()))
    x = Decimal(int((at - (now - BACK)).total_seconds())) / whole_s
    y = level_ml / keg.volume_ml
    return _share(x), _share(y)


def _share(number: Decimal) -> Decimal:
    return min(max(number, Decimal(0)), Decimal(1))


def _slice(name: str, value: Decimal, kind: int, look: Look) -> Slice:
    return Slice(name=name, value=value, shown=look.volume(value), kind=kind)
