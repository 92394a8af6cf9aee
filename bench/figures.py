"""The figures of one run and how they are printed beside what must be reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Figures:
    """Everything measured in one run."""

    broker_stores_per_s: float = 0
    postgres_commits_per_s: float = 0
    echo_p50_ms: float = 0
    echo_p99_ms: float = 0
    pours_per_s: float = 0
    authorize_p50_ms: float = 0
    authorize_p99_ms: float = 0
    accepted_p50_ms: float = 0
    accepted_p99_ms: float = 0
    first_start_s: float = 0
    next_start_s: float = 0
    memory_mb: dict[str, float] = field(default_factory=dict)
    memory_peak_mb: float = 0


def share(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def report(figures: Figures) -> str:
    """Return the table of what was measured, what must be reached, and whether it was."""
    floor = min(figures.broker_stores_per_s, figures.postgres_commits_per_s)
    rows = [
        (
            "pours/s, published to answered",
            f"{figures.pours_per_s:.0f}",
            (
                f"at least half of the slower floor: {floor / 2:.0f} "
                f"(broker {figures.broker_stores_per_s:.0f}/s, "
                f"Postgres {figures.postgres_commits_per_s:.0f}/s)"
            ),
            figures.pours_per_s / floor,
            figures.pours_per_s >= floor / 2,
        ),
        (
            "authorize p50, ms",
            f"{figures.authorize_p50_ms:.1f}",
            f"at most 3 x a bare echo: {3 * figures.echo_p50_ms:.1f}",
            figures.authorize_p50_ms / figures.echo_p50_ms,
            figures.authorize_p50_ms <= 3 * figures.echo_p50_ms,
        ),
        (
            "authorize p99 at 50 pours/s, ms",
            f"{figures.authorize_p99_ms:.1f}",
            f"at most 50 (echo p99 {figures.echo_p99_ms:.1f})",
            figures.authorize_p99_ms / 50,
            figures.authorize_p99_ms <= 50,
        ),
        (
            "pour to accepted p50 at 50/s, ms",
            f"{figures.accepted_p50_ms:.1f}",
            "at most 30",
            figures.accepted_p50_ms / 30,
            figures.accepted_p50_ms <= 30,
        ),
        (
            "pour to accepted p99 at 50/s, ms",
            f"{figures.accepted_p99_ms:.1f}",
            "at most 250",
            figures.accepted_p99_ms / 250,
            figures.accepted_p99_ms <= 250,
        ),
        (
            "memory of the whole bar, MB PSS",
            f"{figures.memory_peak_mb:.0f}",
            "at most 900",
            figures.memory_peak_mb / 900,
            figures.memory_peak_mb <= 900,
        ),
        (
            "first start to ready, s",
            f"{figures.first_start_s:.1f}",
            "at most 20",
            figures.first_start_s / 20,
            figures.first_start_s <= 20,
        ),
        (
            "later start to ready, s",
            f"{figures.next_start_s:.1f}",
            "at most 10",
            figures.next_start_s / 10,
            figures.next_start_s <= 10,
        ),
    ]
    lines = ["| what | measured | to reach | ratio | |", "|---|---|---|---|---|"]
    lines += [
        f"| {what} | {measured} | {goal} | {ratio:.2f} | {'reached' if good else 'not reached'} |"
        for what, measured, goal, ratio, good in rows
    ]
    memory = ", ".join(f"{name} {mb:.0f}" for name, mb in sorted(figures.memory_mb.items()))
    return "\n".join([*lines, "", f"Memory, MB PSS by process: {memory}"])
