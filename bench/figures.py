"""The figures of one run and how they are printed beside what must be reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field

LEAST_SHOWN_S = 0.004


@dataclass(kw_only=True)
class Figures:
    """Everything measured in one run."""

    broker_stores_per_s: float = 0
    postgres_commits_per_s: float = 0
    idle_echo_p50_ms: float = 0
    """Through a broker of its own that has nothing else to do."""
    echo_p50_ms: float = 0
    echo_p99_ms: float = 0
    """Through the bar's broker, between the cards."""
    pours_per_s: float = 0
    authorize_p50_ms: float = 0
    authorize_p99_ms: float = 0
    accepted_p50_ms: float = 0
    accepted_p99_ms: float = 0
    first_start_s: float = 0
    next_start_s: float = 0
    memory_mb: dict[str, float] = field(default_factory=dict)
    memory_peak_mb: float = 0
    cpu_to_answer: dict[str, float] = field(default_factory=dict)
    cpu_to_all: dict[str, float] = field(default_factory=dict)


def share(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def report(figures: Figures) -> str:
    """Return the table of what was measured, what must be reached, and whether it was."""
    lines = ["| what | measured | to reach | ratio | |", "|---|---|---|---|---|"]
    lines += [
        f"| {goal.what} | {goal.measured:.1f} | {goal.words} | {goal.ratio:.2f} "
        f"| {'reached' if goal.reached else 'not reached'} |"
        for goal in _goals(figures)
    ]
    memory = ", ".join(f"{name} {mb:.0f}" for name, mb in sorted(figures.memory_mb.items()))
    lines += ["", f"Memory, MB PSS by process: {memory}", "", *_cpu(figures)]
    return "\n".join(lines)


def _cpu(figures: Figures) -> list[str]:
    """Return the processor time for 1,000 pours, by process, the dearest first.

    The second figure includes what readers caught up with after the last answer, and under
    `postgres` the checking of every invariant.
    """
    by_process = sorted(figures.cpu_to_all.items(), key=lambda item: -item[1])
    to_answer, to_all = (sum(one.values()) for one in (figures.cpu_to_answer, figures.cpu_to_all))
    return [
        "| CPU s for 1,000 pours | until the last answer | until all have taken it in |",
        "|---|---|---|",
        *(
            f"| {name} | {figures.cpu_to_answer.get(name, 0.0):.3f} | {seconds:.3f} |"
            for name, seconds in by_process
            if seconds >= LEAST_SHOWN_S
        ),
        f"| together | {to_answer:.3f} | {to_all:.3f} |",
    ]


@dataclass(frozen=True)
class _Goal:
    what: str
    measured: float
    limit: float
    words: str
    is_floor: bool = False

    @property
    def ratio(self) -> float:
        return self.measured / self.limit if self.limit else 0.0

    @property
    def reached(self) -> bool:
        return self.measured >= self.limit if self.is_floor else self.measured <= self.limit


def _goals(figures: Figures) -> list[_Goal]:
    broker, postgres = figures.broker_stores_per_s, figures.postgres_commits_per_s
    half = min(broker, postgres) / 2
    thrice = 3 * figures.echo_p50_ms
    idle, loaded = figures.idle_echo_p50_ms, (figures.echo_p50_ms, figures.echo_p99_ms)
    echo = f"(an echo between them: p50 {loaded[0]:.1f}, p99 {loaded[1]:.1f}; idle {idle:.1f})"
    floor = f"half of the slower floor, {half:.0f} (broker {broker:.0f}, Postgres {postgres:.0f})"
    return [
        _Goal("pours/s, published to answered", figures.pours_per_s, half, floor, is_floor=True),
        _Goal("authorize p50, ms", figures.authorize_p50_ms, thrice, f"{thrice:.1f} {echo}"),
        _Goal("authorize p99 at 50 pours/s, ms", figures.authorize_p99_ms, 50, "50"),
        _Goal("pour to accepted p50 at 50/s, ms", figures.accepted_p50_ms, 30, "30"),
        _Goal("pour to accepted p99 at 50/s, ms", figures.accepted_p99_ms, 250, "250"),
        _Goal("memory of the whole bar, MB PSS", figures.memory_peak_mb, 900, "900"),
        _Goal("first start to ready, s", figures.first_start_s, 20, "20"),
        _Goal("later start to ready, s", figures.next_start_s, 10, "10"),
    ]
