"""Draws the cost curves that are stored in docs/curves.json: `python -m bench.plots`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

ROOT: Final = Path(__file__).parents[1]
STORED: Final = ROOT / "docs" / "curves.json"
FOLDER: Final = ROOT / "docs" / "curves"
Point = Mapping[str, float]

GROWTH_MAX: Final = 1.1
"""What a million stored pours may cost beside a thousand (architecture 7)."""
ACCEPT_P50_MS: Final = 30
ACCEPT_P99_MS: Final = 250
AUTHORIZE_P99_MS: Final = 50

STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pourline",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "axes.edgecolor": "#888888",
    "legend.frameon": False,
}
LINES: Final = (
    ("authorize", "card to answer", "#1b6ca8"),
    ("accept", "pour to accepted", "#c8553d"),
    ("page", "a guest's page", "#5b8c5a"),
)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What was measured in one run, and how loaded the machine was."""

    at: str
    processors: int
    load_before: float
    load_after: float
    points: Sequence[Point]

    @property
    def where(self) -> str:
        """Say when and on what, under the plot."""
        return (
            f"{self.at}, {self.processors} processors,"
            f" load before {self.load_before:g}, at the end {self.load_after:g}"
        )


def read(path: Path = STORED) -> dict[str, Curve]:
    """Return the curves that are stored."""
    return {name: Curve(**stored) for name, stored in json.loads(path.read_text()).items()}


def draw(curves: Mapping[str, Curve], folder: Path) -> None:
    """Draw every plot into `folder`; the same figures make the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, title in PLOTS.items():
            figure = Figure(figsize=(8, 3.4), layout="constrained")
            left, right = figure.subplots(1, 2)
            points = curves[name].points
            _middle(left, points)
            if name == "pours":
                _growth(right, points)
            else:
                _tail(right, points)
            for axes in (left, right):
                _axis(axes, points, title, is_log=name == "pours")
            figure.supxlabel(curves[name].where, fontsize=7, color="#777777")
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


PLOTS: Final = {
    "pours": "pours in the books",
    "taps": "taps connected, 50 pours/s together",
    "venues": "bars on the machine, 10 pours, cards and pages/s each",
}
"""Every plot, and what it is drawn over."""


def _middle(axes: Axes, points: Sequence[Point]) -> None:
    _lines(axes, points, "p50_ms")
    axes.set_ylabel("p50, ms")
    _goal(axes, ACCEPT_P50_MS, f"accepted in {ACCEPT_P50_MS} ms")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)


def _growth(axes: Axes, points: Sequence[Point]) -> None:
    """Draw the same as multiples of the first point."""
    for key, label, color in LINES:
        first = points[0][f"{key}_p50_ms"]
        ratios = [one[f"{key}_p50_ms"] / first for one in points]
        axes.plot([one["x"] for one in points], ratios, "o-", color=color, label=label, ms=4)
    _goal(axes, GROWTH_MAX, f"at most {GROWTH_MAX} times")
    axes.set_ylabel("p50, times that at the first point")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)


def _tail(axes: Axes, points: Sequence[Point]) -> None:
    _lines(axes, points, "p99_ms")
    axes.set_ylabel("p99, ms")
    _goal(axes, AUTHORIZE_P99_MS, f"card in {AUTHORIZE_P99_MS} ms")
    _goal(axes, ACCEPT_P99_MS, f"accepted in {ACCEPT_P99_MS} ms", style=":")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)


def _goal(axes: Axes, at: float, words: str, *, style: str = "--") -> None:
    axes.axhline(at, label=f"goal: {words}", color="#555555", linestyle=style, linewidth=1)


def _lines(axes: Axes, points: Sequence[Point], part: str) -> None:
    for key, label, color in LINES:
        costs = [one[f"{key}_{part}"] for one in points]
        axes.plot([one["x"] for one in points], costs, "o-", color=color, label=label, ms=4)


def _axis(axes: Axes, points: Sequence[Point], title: str, *, is_log: bool) -> None:
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([one["x"] for one in points])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel(title)


if __name__ == "__main__":
    draw(read(), FOLDER)
