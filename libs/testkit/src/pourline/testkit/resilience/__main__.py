"""`python -m pourline.testkit.resilience`: play seeds, let controllers die, write what came of it.

Each part adds to the JSON that `--json` names; `page` makes docs/promises.md of it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pourline.testkit.bar import run_bar
from pourline.testkit.resilience import report
from pourline.testkit.resilience.cluster import everyone_once, open_cluster
from pourline.testkit.resilience.letters import page, write_letters
from pourline.testkit.resilience.lives import die, every_step, wards
from pourline.testkit.resilience.offline import comes_back
from pourline.testkit.resilience.run import Outcome, play
from pourline.testkit.resilience.schedule import long_evening, one_death_at_a_time
from pourline.testkit.resilience.seeds import folder_for, play_all
from pourline.testkit.resilience.world import RAW_TAPS, open_world

TAPS_TO_DIE_AT: Final = 4
OFFLINE_POURS: Final = 10_000
POWER_CUT_ROUNDS: Final = 2


def main() -> int:
    """Do what the arguments name; return 1 when anything was not right."""
    arguments = _parser().parse_args()
    if arguments.part == "page":
        arguments.page.write_text(report.page(json.loads(arguments.json.read_text())))
        return 0
    parts = {
        "seeds": _seeds,
        "kills": _kills,
        "controllers": _controllers,
        "offline": _offline,
        "evening": _evening,
        "machines": _machines,
        "letters": _letters,
    }
    return asyncio.run(parts[arguments.part](arguments))


async def _seeds(arguments: argparse.Namespace) -> int:
    first = arguments.seed if arguments.seed is not None else arguments.first
    count = 1 if arguments.seed is not None else arguments.seeds
    if not arguments.add:
        _keep(arguments, {"seeds": []})

    def tell(outcome: Outcome) -> None:
        if arguments.json:
            report.keep_seed(arguments.json, outcome, by_itself=arguments.by_itself)

    had = report.seeds_in(arguments.json) if arguments.add and arguments.json else frozenset()
    seeds = [seed for seed in range(first, first + count) if seed not in had]
    outcomes = await play_all(seeds, say=_say, keep=arguments.keep, tell=tell)
    bad = [one for one in outcomes if not one.is_right]
    pours = sum(one.pours for one in outcomes)
    _say(f"{len(outcomes)} seeds, {pours} pours, {len(bad)} seeds not right")
    return 1 if bad else 0


async def _kills(arguments: argparse.Namespace) -> int:
    """Let everybody die so often, one at a time."""
    timetable = one_death_at_a_time(arguments.first, rounds=arguments.rounds)
    with folder_for(arguments.keep, "kills") as folder:
        async with open_world(folder, timetable.kind) as world:
            outcome = await play(world, timetable)
    _say(outcome)
    told = report.of_kills(outcome)
    for line in report.killed(told):
        _say(line)
    _keep(arguments, {"kills": told})
    return 0 if outcome.is_right else 1


async def _controllers(arguments: argparse.Namespace) -> int:
    """Let controllers die at every await, and lose their power there."""
    with folder_for(arguments.keep, "controllers") as folder:
        async with (
            run_bar(folder / "bar") as bar,
            wards(bar, folder, count=TAPS_TO_DIE_AT) as where,
        ):
            steps = await every_step(where)
            killed = await die(where, steps, seed=arguments.first)
            rounds = list(steps) * POWER_CUT_ROUNDS
            cut = await die(where, rounds, seed=arguments.first, loses_power=True)
            code, text = await bar.run("verify")
    told = [
        report.of_deaths("killed with signal 9 at an await", killed),
        report.of_deaths("power cut at an await", cut),
    ]
    for one in told:
        _say(f"{one['times']} times {one['what']}, {len(one['wrong'])} not right")
        _say("\n".join(one["wrong"]))
    _say(text)
    _keep(arguments, {"deaths": told})
    return 1 if code or any(one["wrong"] for one in told) else 0


async def _offline(arguments: argparse.Namespace) -> int:
    """Let a controller come back with many pours."""
    with folder_for(arguments.keep, "offline") as folder:
        async with run_bar(folder / "bar") as bar:
            back = await comes_back(bar, folder, pours=OFFLINE_POURS)
            code, text = await bar.run("verify")
    told = report.of_return(back)
    _say(told)
    _say(text)
    _keep(arguments, {"returns": [told]})
    return 1 if code or back.wrong else 0


async def _evening(arguments: argparse.Namespace) -> int:
    """Play one long evening of many taps while everything is killed and cut at random."""
    timetable = long_evening(arguments.first, seconds=arguments.minutes * 60)
    _say(timetable)
    with folder_for(arguments.keep, "evening") as folder:
        controlled = arguments.taps - RAW_TAPS
        async with open_world(folder, timetable.kind, controlled=controlled) as world:
            outcome = await play(world, timetable)
            code, text = await world.bar.run("verify")
    _say(outcome)
    _say(text)
    told = report.of_evening(
        outcome, taps=arguments.taps, minutes=arguments.minutes, faults=len(timetable.steps)
    )
    _keep(arguments, {"evening": told})
    return 1 if code or not outcome.is_right else 0


async def _machines(arguments: argparse.Namespace) -> int:
    """Lose each machine of three once."""
    with folder_for(arguments.keep, "machines") as folder:
        async with open_cluster(folder) as (cluster, world):
            outcome = await play(world, everyone_once(cluster))
    _say(outcome)
    _keep(arguments, {"machines": report.of_seeds([outcome])[0]})
    return 0 if outcome.is_right else 1


async def _letters(arguments: argparse.Namespace) -> int:
    """Write mail to a server that misbehaves, by senders that are killed."""
    with folder_for(arguments.keep, "letters") as folder:
        letters = await write_letters(folder)
    told = page(letters)
    _say(told)
    if arguments.page:
        arguments.page.write_text(told)
    return 1 if letters.lost or letters.doubled else 0


def _keep(arguments: argparse.Namespace, told: Mapping[str, object]) -> None:
    if arguments.json:
        report.keep(arguments.json, told)


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make resilience", description=__doc__)
    parts = ("seeds", "kills", "controllers", "offline", "evening", "machines", "letters", "page")
    parser.add_argument("part", nargs="?", choices=parts, default="seeds")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default 10)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default 1)")
    parser.add_argument("--seed", type=int, help="exactly this one, on a fresh bar")
    parser.add_argument("--rounds", type=int, default=5, help="of `kills` (default 5)")
    parser.add_argument("--taps", type=int, default=50, help="of a long evening (default 50)")
    parser.add_argument("--minutes", type=float, default=10, help="of it (default 10)")
    parser.add_argument(
        "--add",
        action="store_true",
        help="only seeds that the JSON does not have, beside those that it has",
    )
    parser.add_argument(
        "--by-itself",
        action="store_true",
        help="nothing else runs on this machine: the page may say how long things took",
    )
    parser.add_argument("--keep", type=Path, help="keep the bars' folders here")
    parser.add_argument("--json", type=Path, help="write what came of it here")
    parser.add_argument("--page", type=Path, help="with `page` and `letters`: the page to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
