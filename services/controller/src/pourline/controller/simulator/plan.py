"""An evening as a seed tells it: who comes when, with whom, what they drink, and what goes wrong.

Plain values: the same seed always tells the same evening, whatever the bar makes of it.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE_S: Final = 60
SIZES_ML: Final = (100, 200, 250, 300, 400, 500)
GROUP_MAX: Final = 5
FAITHFUL: Final = 0.75
"""How often a guest takes the favourite and not something else."""
STAYING: Final = 0.3
"""How many are still there when the evening is over."""
BETWEEN_S: Final = (240, 720)
"""Between two drinks of one guest."""
MONEY: Final = (1_000, 2_000, 3_000, 5_000)
KEG_ML: Final = 30_000
SMALL_KEG_ML: Final = 1_500
WHOLE_PULSES_ML: Final = 185
"""A thousand pulses of the usual meter: a keg of a multiple of it can be poured empty."""
RUNS_OUT_AFTER: Final = 0.5
"""The busiest tap's keg holds this share of what is wanted of it."""
FIRST: Final = (
    *("Ada", "Ben", "Carla", "Dmitri", "Elif", "Finn", "Grace", "Hugo", "Ines", "Jonas"),
    *("Kira", "Liam", "Mona", "Nils", "Olga", "Pavel", "Quentin", "Rosa", "Sven", "Tara"),
    *("Umut", "Vera", "Wim", "Xenia", "Yusuf", "Zoe"),
)
LAST: Final = (
    *("Byrne", "Okafor", "Ruiz", "Orlov", "Kaya", "Larsen", "Kim", "Martin", "Costa", "Weber"),
    *("Novak", "Haddad", "Silva", "Lindqvist", "Moreau", "Tanaka"),
)


class Act(StrEnum):
    """What happens in an evening."""

    ARRIVE = "arrive"
    POUR = "pour"
    LEAVE = "leave"
    LOSE_CARD = "lose_card"
    FOAM = "foam"
    LINK_DOWN = "link_down"
    LINK_UP = "link_up"
    LEAK = "leak"


@dataclass(frozen=True, slots=True)
class Person:
    """A guest: `favourite` is a tap's place in the row, `money` is in minor units."""

    name: str
    group: int
    favourite: int
    money: int


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One thing that happens, so many seconds into the evening."""

    at_s: int
    act: Act
    guest: int = -1
    tap: int = -1
    volume_ml: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole evening; `kegs_ml` is what is on each tap at its start."""

    people: tuple[Person, ...]
    steps: tuple[Step, ...]
    kegs_ml: tuple[int, ...]


def plan_evening(*, seed: int, minutes: int, taps: int, guests: int) -> Plan:
    """Return the evening that this seed tells."""
    dice = random.Random(seed)  # noqa: S311 - guests' choices, no secret
    lasts_s = minutes * MINUTE_S
    people = tuple(_people(dice, taps=taps, guests=guests))
    arrivals = _arrivals(dice, people, lasts_s)
    steps: list[Step] = []
    leaves: dict[int, int] = {}
    for guest, arrives_s in enumerate(arrivals):
        stays = dice.random() < STAYING
        leaves[guest] = lasts_s if stays else dice.randint((arrives_s + lasts_s) // 2, lasts_s)
        steps.append(Step(arrives_s, Act.ARRIVE, guest=guest))
        steps += _pours(dice, people, guest, arrives_s, leaves[guest], taps)
        if not stays:
            steps.append(Step(leaves[guest], Act.LEAVE, guest=guest))
    steps += _troubles(dice, lasts_s, taps)
    there = [guest for guest in range(guests) if arrivals[guest] < lasts_s * 0.4]
    there = [guest for guest in there if leaves[guest] > lasts_s * 0.6] or [0]
    loser = dice.choice(there)
    lost_s = max(lasts_s * 45 // 100, arrivals[loser] + 1)
    steps.append(Step(lost_s, Act.LOSE_CARD, guest=loser, tap=people[loser].favourite))
    return Plan(people, tuple(sorted(steps)), _kegs(steps, taps))


def _people(dice: random.Random, *, taps: int, guests: int) -> Iterator[Person]:
    """Make guests in groups: friends like the same, more or less."""
    names = [f"{first} {last}" for last in LAST for first in FIRST]
    dice.shuffle(names)
    made, group = 0, 0
    while made < guests:
        liked = dice.randrange(taps)
        for _ in range(min(dice.randint(1, GROUP_MAX), guests - made)):
            likes = liked if dice.random() < FAITHFUL else dice.randrange(taps)
            yield Person(names[made % len(names)], group, likes, dice.choice(MONEY))
            made += 1
        group += 1


def _arrivals(dice: random.Random, people: tuple[Person, ...], lasts_s: int) -> list[int]:
    """Let each group arrive together, most of them early; the first one opens the evening."""
    groups = {person.group for person in people}
    at_s = {group: int(lasts_s * 0.5 * dice.random() ** 1.5) if group else 0 for group in groups}
    return [at_s[person.group] + dice.randint(0, 45) for person in people]


def _pours(
    dice: random.Random,
    people: tuple[Person, ...],
    guest: int,
    arrives_s: int,
    leaves_s: int,
    taps: int,
) -> Iterator[Step]:
    at_s = arrives_s + dice.randint(20, 90)
    usual_ml = dice.choice(SIZES_ML[2:])
    while at_s < leaves_s - 30:
        is_usual = dice.random() < FAITHFUL
        tap = people[guest].favourite if is_usual else dice.randrange(taps)
        volume_ml = usual_ml if is_usual else dice.choice(SIZES_ML)
        yield Step(at_s, Act.POUR, guest=guest, tap=tap, volume_ml=volume_ml)
        at_s += dice.randint(*BETWEEN_S)


def _troubles(dice: random.Random, lasts_s: int, taps: int) -> list[Step]:
    """Foam, a dead link that comes back, and a tap that leaks."""
    down, down_s = dice.randrange(taps), lasts_s * 50 // 100
    return [
        Step(lasts_s * 30 // 100, Act.FOAM, tap=dice.randrange(taps)),
        Step(down_s, Act.LINK_DOWN, tap=down),
        Step(down_s + max(MINUTE_S, lasts_s // 10), Act.LINK_UP, tap=down),
        Step(lasts_s * 65 // 100, Act.LEAK, tap=dice.randrange(taps), volume_ml=200),
    ]


def _kegs(steps: list[Step], taps: int) -> tuple[int, ...]:
    """Put so little on the busiest tap that its keg runs out, to the last pulse of the meter."""
    wanted: Counter[int] = Counter()
    for step in steps:
        if step.act is Act.POUR:
            wanted[step.tap] += step.volume_ml
    busiest, most = max(wanted.items(), key=lambda one: (one[1], -one[0]), default=(0, 0))
    small = max(SMALL_KEG_ML, int(most * RUNS_OUT_AFTER)) // WHOLE_PULSES_ML * WHOLE_PULSES_ML
    return tuple(min(KEG_ML, small) if tap == busiest else KEG_ML for tap in range(taps))
