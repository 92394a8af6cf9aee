"""What came of the seeds, kept as JSON, and the page that is made of it."""

import contextlib
import fcntl
import json
import math
import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pourline.testkit.resilience.faults import Kill
from pourline.testkit.resilience.lives import Death
from pourline.testkit.resilience.offline import Return
from pourline.testkit.resilience.run import Outcome

Json = dict[str, Any]

PAGE: Final = """\
# What survives which fault

Two things never happen: a guest is charged twice, or a pour is lost. This page is written by runs,
`make promises` and `make promises-more`, on {machine}; the seeds were played {when}.

A seed is an evening of some 370 pours on eight taps in which two to five faults happen, drawn from
the seed; afterwards every pour that any tap has stored must have its status, each guest's balance
is what was paid in less what their pours cost, each keg has lost what its tap poured, nobody is
locked, no money is held, every controller's store is empty, and `pourline verify` is clean.
`make resilience SEED=17` plays one evening again.

**{compared} of {seeds} seeds played to the end, {pours} pours:
{lost} lost, {doubled} charged twice.**{failures}

Served again: seconds from the death of a process, or from the end of any other fault, until a card
that was shown then is granted and its pour accepted, by a tap that tries as devices do. Other
faults of the same evening may still be going on. The seconds are those of the {timed} seeds that
had the machine to themselves; others were played up to four at once on these two cores.
{alone}

| fault | with | times | seeds | pours in them | lost | doubled | served again, median | most |
|---|---|---|---|---|---|---|---|---|
{rows}

## One death at a time

{kills}

| killed with signal 9 | times | served again, median | most |
|---|---|---|---|
{killed}

## Controllers

| what | how often | with a grant open | and beer poured | not right |
|---|---|---|---|---|
{deaths}

A death at an await: the real controller runs from card to answer in a process of its own, which
is killed with signal 9 at each step of any of its tasks in turn, and starts again on its store. A
power cut: the store is also put back to the files as they were after its last commit, with torn
bytes behind them. Each time what could be seen from outside had been stored before, and there is
one pour for each grant that was stored, with the volume that the store knew.

## Back after a long time

{returns}

## One long evening

{evening}

## Three machines

{machines}
"""
ALONE: Final = (
    "Of {deaths} deaths of a process in them {alone} came with nothing else wrong at the time:"
    " served again after {median_s:.1f} s (median), {most_s:.1f} s at most."
)
BESIDE: Final = (
    "The other {deaths} came while parts were frozen, cut off, full or dying too: served again"
    " {median_s:.1f} s (median), {most_s:.1f} s at most, after the last of that which was over by"
    " then."
)
KILLS: Final = (
    "Under the same load, {minutes:.0f} minutes long, each process is killed again and again, ten"
    " seconds apart and with nothing else wrong: {pours:,} pours, {lost} lost, {doubled} charged"
    " twice. The longest anybody waited for a tap: {most_s:.1f} s."
)
MACHINES: Final = (
    "A broker on each of three machines, every stream on all three, an instance of every service on"
    " two. Each machine is lost at once with all that runs on it (signal 9), for five seconds, the"
    " third with its broker's disk, while taps pour: {pours} pours, {lost} lost, {doubled} charged"
    " twice. Served again after {again}. Brokers choose a new leader for each stream within four to"
    " nine seconds; that is most of it."
)
EVENING: Final = (
    "{taps} taps for {minutes:g} minutes, on servers behind proxies, with a fault every ten seconds"
    " or so ({faults} in all: controllers, services, bus and database killed, frozen or cut off):"
    " {pours} pours, {lost} lost, {doubled} charged twice. Afterwards every balance was what was"
    " paid in less what its pours cost, every keg had lost what its tap poured, and"
    " `pourline verify` was clean{but}."
)
RETURN: Final = (
    "A controller with {pours} stored pours had all answered after {answered_after_s:.1f} s;"
    " meanwhile {live_pours} pours of four other taps were answered with a p50 of"
    " {live_p50_ms:.0f} ms and a p99 of {live_p99_ms:.0f} ms (before it came back: p99"
    " {before_p99_ms:.0f} ms)."
)


@dataclass(kw_only=True)
class Row:
    """What one fault came to."""

    times: int = 0
    seeds: set[int] = field(default_factory=set)
    pours: int = 0
    lost: int = 0
    doubled: int = 0
    again_s: list[float] = field(default_factory=list)


def of_seeds(outcomes: Iterable[Outcome]) -> list[Json]:
    """Return outcomes as the JSON keeps them."""
    return [
        _to_the_ms(asdict(one)) | {"lost": len(one.lost), "doubled": len(one.doubled)}
        for one in outcomes
    ]


def _to_the_ms(seed: Json) -> Json:
    """Round a seed's seconds: hundreds of seeds are kept."""
    for fault in seed["served"]:
        for name in ("again_after_s", "after_all_s"):
            if fault[name] is not None:
                fault[name] = round(fault[name], 3)
    return seed | {"elapsed_s": round(seed["elapsed_s"], 3)}


def of_deaths(what: str, deaths: Sequence[Death]) -> Json:
    """Return deaths of controllers as the JSON keeps them."""
    wrong = [line for one in deaths for line in one.wrong]
    left = [one.left_ml for one in deaths if one.left_ml is not None]
    return {
        "what": what,
        "times": sum(one.was_killed for one in deaths),
        "open": len(left),
        "half_poured": sum(volume > 0 for volume in left),
        "wrong": wrong,
    }


def of_evening(outcome: Outcome, *, taps: int, minutes: float, faults: int) -> Json:
    """Return a long evening as the JSON keeps it."""
    size = {"taps": taps, "minutes": minutes, "faults": faults}
    return of_seeds([outcome])[0] | size


def of_kills(outcome: Outcome) -> Json:
    """Return an evening of deaths, one at a time, as the JSON keeps it."""
    return of_seeds([outcome])[0] | {"by_itself": True}


def of_return(back: Return) -> Json:
    """Return a controller's return as the JSON keeps it."""
    return asdict(back)


def machine() -> str:
    """Return one line about this machine."""
    names = [line for line in _cpu_lines() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{os.cpu_count()} cores of {name}, Python {platform.python_version()}".replace(
        "  ", " "
    )


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def keep(path: Path, told: Mapping[str, Any]) -> None:
    """Write or replace parts of the JSON of a run."""
    with _kept(path) as kept:
        kept.update(told)


def keep_seed(path: Path, outcome: Outcome, *, by_itself: bool = False) -> None:
    """Write what came of a seed in the place of what came of it before; several may write.

    Only those that were played `by_itself`, with nothing else on the machine, say how long it took.
    """
    [told] = of_seeds([outcome])
    played = {
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "by_itself": by_itself,
    }
    with _kept(path) as kept:
        others = [one for one in kept.get("seeds", []) if one["seed"] != outcome.seed]
        kept["seeds"] = sorted([*others, told | played], key=lambda one: int(one["seed"]))


def seeds_in(path: Path) -> frozenset[int]:
    """Return the seeds of which it is written what came of them."""
    with _kept(path) as kept:
        return frozenset(one["seed"] for one in kept.get("seeds", []))


@contextlib.contextmanager
def _kept(path: Path) -> Iterator[Json]:
    """Let the JSON be changed, by one process at a time."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        kept = json.loads(file.read() or "{}")
        yield kept
        file.truncate(0)
        file.write(json.dumps(kept, indent=1, sort_keys=True, default=str) + "\n")


def page(told: Json) -> str:
    """Return the page of what was kept."""
    seeds = told["seeds"]
    wrong = [one for one in seeds if one["lost"] or one["doubled"] or one["wrong"]]
    return PAGE.format(
        machine=", and on ".join(sorted({one["machine"] for one in seeds})),
        when=_when(seeds),
        seeds=len(seeds),
        compared=sum(one["pours"] > 0 for one in seeds),
        pours=f"{sum(one['pours'] for one in seeds):,}",
        lost=sum(one["lost"] for one in seeds),
        doubled=sum(one["doubled"] for one in seeds),
        failures="".join(_failure(one) for one in wrong),
        timed=sum(_is_timed(one) for one in seeds),
        alone=_alone(seeds),
        rows="\n".join(_row(kind, target, row) for (kind, target), row in _rows(seeds)),
        kills=_kills(told["kills"]),
        killed="\n".join(killed(told["kills"])),
        deaths="\n".join(
            "| {what} | {times} | {open} | {half_poured} |".format(**one)
            + f" {len(one['wrong'])} |"
            for one in told["deaths"]
        ),
        returns="\n".join(RETURN.format(**one) for one in told["returns"]),
        evening=_evening(told["evening"]),
        machines=_machines(told["machines"]),
    )


def _when(seeds: Sequence[Json]) -> str:
    days = sorted({one["on"] for one in seeds})
    return f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"


def _evening(told: Json) -> str:
    """Say what came of the long evening, what was not right included."""
    but = f"; but {told['wrong'][0].splitlines()[0][:200]}" if told["wrong"] else ""
    return EVENING.format(**told, but=but)


def _kills(told: Json) -> str:
    most_s = max(_seconds(one["again_after_s"]) for one in told["served"])
    counts = {key: told[key] for key in ("pours", "lost", "doubled")}
    but = f" But {told['wrong'][0].splitlines()[0][:200]}." if told["wrong"] else ""
    return KILLS.format(**counts, minutes=told["elapsed_s"] / 60, most_s=most_s) + but


def killed(told: Json) -> Iterator[str]:
    """Say for each process that was killed how often, and after what time a tap served again."""
    for (_, target), row in _rows([told]):
        median_s, most_s = statistics.median(row.again_s), max(row.again_s)
        yield f"| {target} | {row.times} | {median_s:.1f} s | {most_s:.1f} s |"


def _seconds(again_after_s: float | None) -> float:
    """Return how long it took to be served again; for ever, if nobody was."""
    return math.inf if again_after_s is None else again_after_s


def _machines(told: Json) -> str:
    again = ", ".join(f"{one['again_after_s']:.1f}" for one in told["served"]) + " s"
    return MACHINES.format(**told, again=again)


def _is_timed(seed: Json) -> bool:
    return bool(seed.get("by_itself"))


def _alone(seeds: Iterable[Json]) -> str:
    """Say what the deaths of a process cost by themselves, and what beside other faults."""
    faults = [fault for seed in seeds if _is_timed(seed) for fault in seed["served"]]
    deaths = [one for one in faults if one["kind"] == Kill.kind]
    alone_s = [_seconds(one["again_after_s"]) for one in deaths if one["alone"]]
    beside_s = [_seconds(one["after_all_s"]) for one in deaths if not one["alone"]]
    lines = []
    if alone_s:
        lines.append(ALONE.format(deaths=len(deaths), alone=len(alone_s), **_spread(alone_s)))
    if beside_s:
        lines.append(BESIDE.format(deaths=len(beside_s), **_spread(beside_s)))
    return "\n".join(lines)


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {"median_s": statistics.median(seconds), "most_s": max(seconds)}


def _failure(seed: Json) -> str:
    """Say in a paragraph that a seed was not right, and whether its books were compared."""
    why = (seed["wrong"] or ["pours lost or doubled"])[0].splitlines()[0][:200]
    how = "not right" if seed["pours"] else "broken off, its books not compared"
    return f"\n\nSeed {seed['seed']}, {seed['world']}, {how}: `{why}`"


def _rows(seeds: Iterable[Json]) -> list[tuple[tuple[str, str], Row]]:
    rows: dict[tuple[str, str], Row] = {}
    for seed in seeds:
        for fault in seed["served"]:
            row = rows.setdefault((fault["kind"], fault["target"]), Row())
            row.times += 1
            if _is_timed(seed) and fault["again_after_s"] is not None:
                row.again_s.append(fault["again_after_s"])
            if seed["seed"] not in row.seeds:
                row.seeds.add(seed["seed"])
                row.pours += seed["pours"]
                row.lost += seed["lost"]
                row.doubled += seed["doubled"]
    return sorted(rows.items())


def _row(kind: str, target: str, row: Row) -> str:
    median_s, most_s = (
        (f"{statistics.median(row.again_s):.1f} s", f"{max(row.again_s):.1f} s")
        if row.again_s
        else ("-", "-")
    )
    counts = f"{row.times} | {len(row.seeds)} | {row.pours:,} | {row.lost} | {row.doubled}"
    return f"| {kind} | {target} | {counts} | {median_s} | {most_s} |"
