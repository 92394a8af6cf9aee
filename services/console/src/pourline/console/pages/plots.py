"""Plots as SVG: bars, lines with what is foreseen, and stacked bars; values to text, no I/O.

A colour is never the only signal: lines differ in their dashes, slices in their hatching, and
each carries its name. Lengths are decimals; nothing here is calculated with money or volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 26, 26
PLAIN_W = Decimal(WIDTH - LEFT - RIGHT)
PLAIN_H = Decimal(HEIGHT - TOP - BOTTOM)
FLOOR = HEIGHT - BOTTOM
LABELS_MAX = 9
"""More labels than this run into each other on a phone."""
GAP = Decimal("0.2")
DASHES = ("none", "9 4", "2 4", "12 3 2 3", "5 5", "1 6")
ROW_H = 62
NAME_CHARACTERS_MAX = 18
NAME_H = 17


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: what it is of, how long it is, and its value in words."""

    label: str
    value: Decimal
    shown: str
    is_marked: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: points between 0 and 1, x to the right and y up, and what is foreseen."""

    name: str
    points: tuple[tuple[Decimal, Decimal], ...]
    foreseen: tuple[tuple[Decimal, Decimal], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One part of a stacked bar."""

    name: str
    value: Decimal
    shown: str
    kind: int


def bars(title: str, found: Sequence[Bar]) -> str:
    """Return upright bars; the largest one has its value above it."""
    most = max((one.value for one in found), default=Decimal(0))
    step = PLAIN_W / max(len(found), 1)
    every = -(-len(found) // LABELS_MAX) if found else 1
    drawn = []
    for place, one in enumerate(found):
        height = PLAIN_H * one.value / most if most > 0 else Decimal(0)
        left = LEFT + step * place
        mark = "plot-bar marked" if one.is_marked else "plot-bar"
        drawn.append(
            f'<rect class="{mark}" x="{_n(left + step * GAP / 2)}" y="{_n(FLOOR - height)}" '
            f'width="{_n(step * (1 - GAP))}" height="{_n(height)}" rx="2">'
            f"<title>{escape(one.label)}: {escape(one.shown)}</title></rect>"
        )
        if place % every == 0:
            drawn.append(_text(left + step / 2, HEIGHT - 7, one.label, "middle"))
        if most > 0 and one.value == most:
            drawn.append(_text(_within(left + step / 2), FLOOR - height - 7, one.shown, "middle"))
    return _svg(title, HEIGHT, [_floor(), *drawn])


def lines(title: str, found: Sequence[Line], *, now: Decimal, ends: tuple[str, str]) -> str:
    """Return lines from full (top) to empty (bottom), what is foreseen dotted after `now`."""
    at = LEFT + PLAIN_W * now
    drawn = [
        f'<line class="plot-now" x1="{_n(at)}" x2="{_n(at)}" y1="{TOP}" y2="{FLOOR}"/>',
        _text(at, TOP - 9, "now", "middle"),
        _text(LEFT, HEIGHT - 7, ends[0], "start"),
        _text(WIDTH - RIGHT, HEIGHT - 7, ends[1], "end"),
    ]
    for place, one in enumerate(found):
        dash = DASHES[place % len(DASHES)]
        drawn.append(_line(one.points, f"plot-line plot-{place % len(DASHES)}", dash))
        if one.foreseen:
            drawn.append(
                _line(one.foreseen, f"plot-line foreseen plot-{place % len(DASHES)}", "1 5")
            )
    return _svg(title, HEIGHT, [_floor(), *drawn, *_names(found)])


def _names(found: Sequence[Line]) -> list[str]:
    """Return each line's name before its end, apart from the one above it."""
    drawn, lowest = [], Decimal(TOP)
    for one in sorted(found, key=lambda line: line.points[-1][1], reverse=True):
        x, y = one.points[-1]
        at = max(_y(y) + 12, lowest)
        lowest = at + NAME_H
        drawn.append(_text(_x(x) - 8, at, _short(one.name), "end"))
    return drawn


def stacked(title: str, rows: Sequence[tuple[str, Sequence[Slice]]]) -> str:
    """Return one lying bar a row, each slice as long as its share of the longest row."""
    most = max((_sum(slices) for _, slices in rows), default=Decimal(0))
    drawn = [_hatches()]
    for place, (label, slices) in enumerate(rows):
        top, left = place * ROW_H, Decimal(LEFT)
        total = "" if slices else "nothing"
        drawn.append(_text(LEFT, top + 18, f"{label} {total}".strip(), "start"))
        for one in slices:
            width = PLAIN_W * one.value / most if most > 0 else Decimal(0)
            drawn.append(
                f'<rect class="plot-slice plot-slice-{one.kind}" x="{_n(left)}" y="{top + 26}" '
                f'width="{_n(width)}" height="26">'
                f"<title>{escape(one.name)}: {escape(one.shown)}</title></rect>"
            )
            if one.kind:
                drawn.append(
                    f'<rect fill="url(#hatch-{one.kind})" x="{_n(left)}" y="{top + 26}" '
                    f'width="{_n(width)}" height="26" pointer-events="none"/>'
                )
            left += width
    return _svg(title, ROW_H * max(len(rows), 1), drawn)


def _svg(title: str, height: int, drawn: Sequence[str]) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(drawn)}</svg>'
    )


def _hatches() -> str:
    """Return one pattern for each kind of slice but the plain first one."""
    turns = {1: 45, 2: -45, 3: 90, 4: 0, 5: 22, 6: -22}
    patterns = [
        f'<pattern id="hatch-{kind}" width="7" height="7" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate({turn})"><line class="plot-hatch" y2="7"/></pattern>'
        for kind, turn in turns.items()
    ]
    return f"<defs>{''.join(patterns)}</defs>"


def _line(points: Sequence[tuple[Decimal, Decimal]], classes: str, dash: str) -> str:
    path = " ".join(f"{_n(_x(x))},{_n(_y(y))}" for x, y in points)
    return f'<polyline class="{classes}" stroke-dasharray="{dash}" points="{path}"/>'


def _floor() -> str:
    return f'<line class="plot-axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{FLOOR}" y2="{FLOOR}"/>'


def _text(x: Decimal | int, y: Decimal | int, text: str, anchor: str) -> str:
    return (
        f'<text class="plot-text" x="{_n(Decimal(x))}" y="{_n(Decimal(y))}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _sum(slices: Sequence[Slice]) -> Decimal:
    return sum((one.value for one in slices), Decimal(0))


def _x(share: Decimal) -> Decimal:
    return LEFT + PLAIN_W * share


def _y(share: Decimal) -> Decimal:
    return FLOOR - PLAIN_H * share


def _within(x: Decimal) -> Decimal:
    """Keep a centred text inside the picture."""
    return min(max(x, Decimal(50)), Decimal(WIDTH - 50))


def _short(name: str) -> str:
    if len(name) <= NAME_CHARACTERS_MAX:
        return name
    return f"{name[: NAME_CHARACTERS_MAX - 1]}…"


def _n(number: Decimal | int) -> str:
    return f"{Decimal(number):.1f}"
