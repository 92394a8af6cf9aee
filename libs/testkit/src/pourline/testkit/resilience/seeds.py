"""Plays many seeds, on as few bars as may be."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from pourline.testkit.resilience.run import Outcome, play
from pourline.testkit.resilience.schedule import kind_of, schedule
from pourline.testkit.resilience.world import open_world

Say = Callable[[object], None]
Tell = Callable[[Outcome], None]
SEEDS_A_BAR: Final = 20
"""After so many seeds a fresh bar: a start is cheap, and is part of what is proved."""


def _nobody(outcome: Outcome) -> None:
    del outcome


async def play_all(
    seeds: Iterable[int], *, say: Say, keep: Path | None = None, tell: Tell = _nobody
) -> list[Outcome]:
    """Play seeds, those of a kind on one bar; after one that went wrong comes a fresh bar.

    Each outcome is told as soon as it is there: many seeds take hours.
    """
    waiting = sorted(seeds, key=lambda seed: (kind_of(seed).value, seed))
    outcomes: list[Outcome] = []
    while waiting:
        with folder_for(keep, f"bar-{waiting[0]}") as folder:
            played = await _play_on_one_bar(waiting, folder, say, tell)
        waiting = waiting[len(played) :]
        outcomes += played
    return outcomes


async def _play_on_one_bar(seeds: list[int], folder: Path, say: Say, tell: Tell) -> list[Outcome]:
    outcomes: list[Outcome] = []
    kind = kind_of(seeds[0])
    async with open_world(folder, kind) as world:
        for seed in [one for one in seeds if kind_of(one) is kind][:SEEDS_A_BAR]:
            say(schedule(seed))
            outcomes.append(await play(world, schedule(seed)))
            say(outcomes[-1])
            tell(outcomes[-1])
            if not outcomes[-1].is_right:
                say(f"replay: make resilience SEED={seed}")
                break
    return outcomes


@contextlib.contextmanager
def folder_for(keep: Path | None, name: str) -> Iterator[Path]:
    """Give a bar its folder: one that stays for a look at its logs, or one that goes."""
    if keep:
        folder = keep / name
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="pourline-resilience-") as made:
        Path(made).chmod(0o711)  # PostgreSQL's own account must pass
        yield Path(made)
