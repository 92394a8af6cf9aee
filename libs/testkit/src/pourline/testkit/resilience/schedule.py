"""From a seed to an evening of faults: the same seed, the same faults at the same times."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pourline.contracts.topology import SERVICES
from pourline.local.environment import WITH_DATABASE
from pourline.testkit.resilience import faults
from pourline.testkit.resilience.clocks import WrongClocks, WrongServiceClock
from pourline.testkit.resilience.crowds import RollingRestart, Storm
from pourline.testkit.resilience.disks import FillDisk
from pourline.testkit.resilience.faults import Ending, Fault, Network
from pourline.testkit.resilience.service_clocks import Wrong
from pourline.testkit.resilience.world import Kind

LOAD_S: Final = 8.5
FAULTS: Final = (2, 5)
FREEZE_S: Final = (2.0, 12.0)
NETWORK_S: Final = (0.5, 6.0)
CONTROLLERS_S: Final = (0.2, 3.0)
SHARES: Final = (0.3, 0.6, 1.0, 1.0)
DISK_S: Final = (2.0, 6.0)
CLOCK_S: Final = (0.5, 5.0)
CLOCK_DAYS: Final = (-400.0, -2.0, -1 / 24, 1 / 24, 2.0, 400.0)
SERVICE_CLOCKS: Final = 0.25
"""How many of the seeds have a service whose time of day is wrong."""
SERVICE_CLOCK_S: Final = (2.0, 8.0)
SERVERS: Final = ("nats-server", "postgres")
WRITTEN: Final = 1_000_000
"""Evenings that are written down, not drawn, have numbers from here on."""
PROCESSES: Final = (*SERVICES, *SERVERS)
APART_S: Final = (6.0, 14.0)
QUIET_END_S: Final = 10.0
LONG_POURS_PER_S: Final = 10
LONG_BETWEEN_GUESTS_S: Final = 3.0
"""A long evening is about its length and its taps: guests come at a bar's pace."""
ALONE_S: Final = 10.0
ALONE_POURS_PER_S: Final = 40
JUMBLED_S: Final = 16.0
JUMBLED_POURS: Final = 1_600
NAMED_EACH: Final = 3
"""Every third seed plays on named servers, where bus and database stand behind proxies too."""
HANGS_ARE_REPLACED: Final = True
"""Whether the supervisor replaces a process that stands still for ever."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A fault, when it begins (seconds into the load) and for how long it lasts."""

    at_s: float
    duration_s: float
    fault: Fault

    def __str__(self) -> str:
        """Say it as a line of the schedule."""
        lasting = f" for {self.duration_s:.1f} s" if self.duration_s else ""
        return f"{self.at_s:5.1f} s  {self.fault}{lasting}"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What happens in the evening of one seed: `raw_pours` in `load_s` seconds, and faults.

    `between_guests_s` is how long a controller's tap rests after each guest. With `copies` each
    raw pour is sent so often, in any order within `window` places.
    """

    seed: int
    kind: Kind
    steps: Sequence[Step]
    load_s: float = LOAD_S
    raw_pours: int = 340
    between_guests_s: float = 0.15
    copies: int = 1
    window: int = 0

    def __str__(self) -> str:
        """Say it so that a reader understands what went wrong when."""
        return "\n".join([f"seed {self.seed}, {self.kind}", *(f"  {one}" for one in self.steps)])


def kind_of(seed: int) -> Kind:
    """Return on whose servers a seed plays."""
    return Kind.OWN if seed % NAMED_EACH else Kind.NAMED


def schedule(seed: int) -> Schedule:
    """Return the faults of a seed; no two of them have the same target at the same time.

    Numbers from `WRITTEN` on are evenings that are written down.
    """
    if seed >= WRITTEN:
        return EVENINGS[seed - WRITTEN]()
    dice = random.Random(seed)  # noqa: S311 - it must repeat itself
    kind = kind_of(seed)
    steps: list[Step] = []
    while len(steps) < FAULTS[0] or (len(steps) < FAULTS[1] and dice.random() < 0.5):
        step = _step(dice, kind)
        if not any(_collide(step, other) for other in steps):
            steps.append(step)
    wrong = [one for one in _service_clock(seed) if not any(_collide(one, two) for two in steps)]
    steps += wrong[: FAULTS[1] - len(steps)]
    return Schedule(seed=seed, kind=kind, steps=sorted(steps, key=lambda one: one.at_s))


def services_take_turns_in_being_wrong(wrong: Wrong) -> Schedule:
    """Return an evening in which the time of day is wrong for one service after another."""
    steps = [
        Step(at_s=0.5 + number, duration_s=2.5, fault=WrongServiceClock(service, wrong))
        for number, service in enumerate(WITH_DATABASE)
    ]
    return Schedule(seed=0, kind=Kind.OWN, steps=steps)


def long_evening(seed: int, *, seconds: float) -> Schedule:
    """Return an evening of that length: a fault begins every ten seconds or so, until its last."""
    dice = random.Random(seed)  # noqa: S311 - it must repeat itself
    steps: list[Step] = []
    begins_s = 5.0
    while begins_s < seconds - QUIET_END_S:
        step = replace(_step(dice, Kind.NAMED), at_s=begins_s)
        if any(_collide(step, other) for other in steps):
            continue
        steps.append(step)
        begins_s += dice.uniform(*APART_S)
    return Schedule(
        seed=seed,
        kind=Kind.NAMED,
        steps=steps,
        load_s=seconds,
        raw_pours=int(seconds * LONG_POURS_PER_S),
        between_guests_s=LONG_BETWEEN_GUESTS_S,
    )


def everybody_dies() -> Schedule:
    """Return an evening in which each service and each server is killed once."""
    apart_s = (LOAD_S - 1) / len(PROCESSES)
    steps = [
        Step(at_s=0.5 + number * apart_s, duration_s=0.0, fault=faults.Kill(name))
        for number, name in enumerate(PROCESSES)
    ]
    return Schedule(seed=0, kind=Kind.OWN, steps=steps)


def servers_hang() -> Schedule:
    """Return an evening in which each server stands still until somebody replaces it."""
    steps = [
        Step(at_s=at_s, duration_s=0.0, fault=faults.Hang(name))
        for at_s, name in zip((0.5, 4.5), SERVERS, strict=True)
    ]
    return Schedule(seed=WRITTEN, kind=Kind.OWN, steps=steps)


def both_who_decide_a_card_stand_still() -> Schedule:
    """Return the evening that once left money held for ever: a hold was asked for twice at once."""
    steps = [
        Step(at_s=6.9, duration_s=5.7, fault=faults.Freeze("auth-lock")),
        Step(at_s=7.1, duration_s=10.3, fault=faults.Freeze("ledger")),
    ]
    return Schedule(seed=WRITTEN + 1, kind=Kind.OWN, steps=steps)


def everything_comes_often_and_in_any_order() -> Schedule:
    """Return an evening whose pours all come five times, up to a thousand places too late.

    Meanwhile both die who must know a pour when they see it again.
    """
    steps = [
        Step(at_s=at_s, duration_s=0.0, fault=faults.Kill(name))
        for at_s, name in ((6.0, "ledger"), (12.0, "keg-fifo"))
    ]
    return Schedule(
        seed=WRITTEN + 2,
        kind=Kind.OWN,
        steps=steps,
        load_s=JUMBLED_S,
        raw_pours=JUMBLED_POURS,
        copies=5,
        window=1_000,
    )


def one_death_at_a_time(seed: int, *, rounds: int) -> Schedule:
    """Return an evening in which everybody dies so often, and nothing else goes wrong meanwhile."""
    dice = random.Random(seed)  # noqa: S311 - it must repeat itself
    order = [name for _ in range(rounds) for name in dice.sample(PROCESSES, len(PROCESSES))]
    steps = [
        Step(at_s=number * ALONE_S + dice.random(), duration_s=0.0, fault=faults.Kill(name))
        for number, name in enumerate(order, start=1)
    ]
    load_s = (len(order) + 1) * ALONE_S
    pours = int(load_s * ALONE_POURS_PER_S)
    return Schedule(seed=seed, kind=Kind.OWN, steps=steps, load_s=load_s, raw_pours=pours)


def _collide(one: Step, other: Step) -> bool:
    """Return whether two faults touch the same target within each other's time."""
    first, second = sorted((one, other), key=lambda step: step.at_s)
    return (
        one.fault.target == other.fault.target and second.at_s <= first.at_s + _lasts_s(first) + 1.0
    )


def _lasts_s(step: Step) -> float:
    """Return how long nothing else may touch the target: what goes on again hangs no more."""
    return LOAD_S if isinstance(step.fault, faults.Hang) else step.duration_s


def _step(dice: random.Random, kind: Kind) -> Step:
    make = dice.choices(MAKERS, weights=[weight for weight, _ in WEIGHED])[0]
    duration_s, fault = make(dice, kind)
    return Step(at_s=dice.uniform(0.5, LOAD_S - 1), duration_s=duration_s, fault=fault)


Maker = Callable[[random.Random, Kind], tuple[float, Fault]]


def _kill(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del kind
    return 0.0, faults.Kill(dice.choice(PROCESSES))


def _freeze(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del kind
    return dice.uniform(*FREEZE_S), faults.Freeze(dice.choice(PROCESSES))


def _hang(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    if not HANGS_ARE_REPLACED:
        return _freeze(dice, kind)
    return 0.0, faults.Hang(dice.choice(SERVICES))


def _wipe(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del dice, kind
    return 0.0, faults.Wipe()


def _starve(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del kind
    return dice.uniform(3.0, 8.0), faults.Starve("alerts")


def _network(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    target = dice.choice(("taps", "bus", "database") if kind is Kind.NAMED else ("taps",))
    what = dice.choice(list(Network))
    # A router that forgets is noticed by MQTT's keep-alive. A proxy answers TCP's own, so a
    # database connection would look alive for ever, as no real one does.
    endings = list(Ending) if target == "taps" else [Ending.RESUMED, Ending.RESET]
    fault = faults.Wire(
        target=target,
        kind=what,
        ending=dice.choice(endings),
        share=dice.choice(SHARES),
        seed=dice.randrange(2**32),
    )
    return (0.0 if what is Network.CUT else dice.uniform(*NETWORK_S)), fault


def _controllers(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del kind
    fault = dice.choice((faults.KillControllers, faults.FreezeControllers))()
    return dice.uniform(*CONTROLLERS_S), fault


def _disk(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    # A nats-server that could not write must be started anew; a bar does so with its own only.
    targets = (*SERVERS, "controllers") if kind is Kind.OWN else ("postgres", "controllers")
    return dice.uniform(*DISK_S), FillDisk(dice.choice(targets))


def _clocks(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del kind
    fault = WrongClocks(dice.choice(("controllers", "raw taps")), dice.choice(CLOCK_DAYS))
    return dice.uniform(*CLOCK_S), fault


def _service_clock(seed: int) -> list[Step]:
    """Return one seed's wrong time of day of a service, if it has one.

    By dice of its own: what a seed did before there was this fault, it still does.
    """
    dice = random.Random(f"{seed}: time of day")  # noqa: S311 - it must repeat itself
    if dice.random() >= SERVICE_CLOCKS:
        return []
    fault = WrongServiceClock(dice.choice(WITH_DATABASE), dice.choice(list(Wrong)))
    at_s = dice.uniform(0.5, LOAD_S - 1)
    return [Step(at_s=at_s, duration_s=dice.uniform(*SERVICE_CLOCK_S), fault=fault)]


def _storm(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del dice, kind
    return 0.0, Storm()


def _rolling(dice: random.Random, kind: Kind) -> tuple[float, Fault]:
    del dice, kind
    return 0.0, RollingRestart()


WEIGHED: Final[Sequence[tuple[int, Maker]]] = (
    (6, _kill),
    (4, _freeze),
    (1, _hang),
    (1, _wipe),
    (1, _starve),
    (5, _network),
    (2, _controllers),
    (2, _disk),
    (2, _clocks),
    (1, _storm),
    (1, _rolling),
)
MAKERS: Final = [make for _, make in WEIGHED]
EVENINGS: Final = (
    servers_hang,
    both_who_decide_a_card_stand_still,
    everything_comes_often_and_in_any_order,
)
"""What is written down, from the number `WRITTEN` on."""
