"""The processor time that a run takes, by process: what stays true on a machine that is shared."""

import os
from collections import defaultdict
from collections.abc import Iterable

import psutil
from pourline.contracts.topology import SERVICES

TAPS = "the taps"
"""The simulated ones, in the process of the measurement itself."""

Seconds = dict[str, float]


def name_of(words: list[str]) -> str:
    """Return what a process is, by its command line: a service, a server or the supervisor."""
    service = next((word for word in words if word in SERVICES), "")
    line = " ".join(words)
    if service:
        return service
    if "postgres" in line:
        return "postgres"
    return "nats-server" if "nats-server" in line else "supervisor"


def used(processes: Iterable[psutil.Process]) -> Seconds:
    """Return the seconds of processor time used until now, those of ended children included.

    PostgreSQL's backends are named by the database they serve.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for process in processes:
        try:
            words, times = process.cmdline(), process.cpu_times()
        except psutil.Error:
            continue
        name = name_of(words)
        if name == "postgres":
            name = _database_of(words)
        found[name] += times.user + times.system
        if name == "postgres":  # the postmaster waits for its children; the supervisor never
            found[name] += times.children_user + times.children_system
    own = os.times()
    found[TAPS] = own.user + own.system
    return dict(found)


def _database_of(words: list[str]) -> str:
    """Return `postgres/ledger` for a backend (`postgres: user database …`), else `postgres`."""
    title = " ".join(words).split()
    served = next((word for word in title[2:3] if word.replace("_", "-") in SERVICES), "")
    return f"postgres/{served}" if title[0] == "postgres:" and served else "postgres"


def per_thousand(before: Seconds, after: Seconds, count: int) -> Seconds:
    """Return the seconds used between two looks for each thousand of `count`."""
    return {
        name: (seconds - before.get(name, 0.0)) * 1000 / count for name, seconds in after.items()
    }
