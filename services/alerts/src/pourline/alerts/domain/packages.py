"""When a package is unavailable, when it is low, and which item holds up several.

Sources: requirement AL-3; seed 004, "Notification Types". What is "normal" and which packages a
bottleneck counts are ours, below.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from pourline.alerts.domain.kinds import Findings, Kind, breach_of, cause_of
from pourline.alerts.domain.quantities import plain

LOW_RATIO = Decimal("0.2")
BOTTLENECK_PACKAGES = 2
COOLDOWN_HOURS = 24
NORMAL_DAYS = 28
"""Four weeks: every weekday counts four times, and a delivery's rhythm is in it."""
NAMED_MAX = 5
"""More packages than this are counted, not named."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The part that limits a package, and what is there of it."""

    item_id: str
    name: str
    available: Decimal


@dataclass(frozen=True, kw_only=True)
class Stand:
    """How many of a package can be sold; `sellable` None where no part is tracked."""

    package_id: str
    name: str
    sellable: int | None
    limit: Limit | None
    normal: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day's largest number that could be sold, and the number at its end."""

    day: date
    most: int
    last: int


def normal(days: Sequence[Day], *, today: date) -> Decimal | None:
    """Return how many of a package can usually be sold; None before anything was known of it.

    It is the median of the daily maxima of the last 28 days, today included. A day on which
    nothing changed has the number that the day before it ended with. `days` is in order, and may
    begin before the window.
    """
    first = today - timedelta(days=NORMAL_DAYS - 1)
    by_day = {one.day: one for one in days}
    before = [one.last for one in days if one.day < first]
    carried = before[-1] if before else None
    maxima: list[int] = []
    for number in range(NORMAL_DAYS):
        found = by_day.get(first + timedelta(days=number))
        if found:
            maxima.append(found.most if carried is None else max(found.most, carried))
            carried = found.last
        elif carried is not None:
            maxima.append(carried)
    return _median(sorted(maxima)) if maxima else None


def _median(ordered: Sequence[int]) -> Decimal:
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return Decimal(ordered[middle])
    return Decimal(ordered[middle - 1] + ordered[middle]) / 2


def is_unavailable(stand: Stand) -> bool:
    """Return whether none can be sold."""
    return stand.sellable == 0


def is_low(stand: Stand, *, ratio: Decimal) -> bool:
    """Return whether some, but less than `ratio` of the normal number, can be sold.

    A package that never had more has a small normal number, and is not low with it.
    """
    if not stand.sellable or stand.normal is None:
        return False
    return stand.sellable < stand.normal * ratio


def package_findings(stand: Stand, *, ratio: Decimal) -> Findings:
    """Return what a package's number says: unavailable, low, or neither.

    Where no part is tracked nothing limits it: it is neither.
    """
    gone = cause_of(Kind.PACKAGE_UNAVAILABLE, stand.package_id)
    low = cause_of(Kind.PACKAGE_LOW_STOCK, stand.package_id)
    words = {"name": stand.name, "bottleneck": stand.limit.name if stand.limit else "A part"}
    if is_unavailable(stand):
        return Findings(opens=(breach_of(gone, **words),), ends=(low,))
    if not is_low(stand, ratio=ratio):
        return Findings(ends=(gone, low))
    usual = plain(stand.normal or Decimal(0))
    found = breach_of(low, **words, sellable=stand.sellable, normal=usual)
    return Findings(opens=(found,), ends=(gone,))


def bottlenecks(
    stands: Iterable[Stand], *, ratio: Decimal, at_least: int
) -> Mapping[str, list[Stand]]:
    """Return the items that hold up `at_least` packages, each with those packages.

    Every package has a part that limits it; it matters while the package is unavailable or low.
    """
    held_up: dict[str, list[Stand]] = {}
    for stand in stands:
        if stand.limit and (is_unavailable(stand) or is_low(stand, ratio=ratio)):
            held_up.setdefault(stand.limit.item_id, []).append(stand)
    return {item: those for item, those in held_up.items() if len(those) >= at_least}


def bottleneck_findings(held_up: Mapping[str, list[Stand]], standing: Iterable[str]) -> Findings:
    """Return the alerts of items that hold packages up, and the end of those that no longer do.

    `standing` are the items that have such an alert.
    """
    opens = []
    for item_id, stands in held_up.items():
        limit = next(one.limit for one in stands if one.limit)
        named = ", ".join(one.name for one in stands[:NAMED_MAX])
        more = len(stands) - NAMED_MAX
        opens.append(
            breach_of(
                cause_of(Kind.PACKAGE_BOTTLENECK, item_id),
                name=limit.name,
                count=len(stands),
                left=plain(limit.available),
                packages=f"{named} and {more} more" if more > 0 else named,
            )
        )
    gone = [cause_of(Kind.PACKAGE_BOTTLENECK, one) for one in standing if one not in held_up]
    return Findings(opens=tuple(opens), ends=tuple(gone))
