"""The plots in the docs are those that `make bench-curves` draws, from the figures stored."""

import re
from pathlib import Path

from bench import plots

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = re.compile(r"\(curves/([\w-]+)\.svg\)")


def test_every_plot_is_drawn_from_the_stored_figures_with_axes_units_and_goals(
    tmp_path: Path,
) -> None:
    plots.draw(plots.read(), tmp_path)

    assert {one.name for one in tmp_path.iterdir()} == {f"{name}.svg" for name in plots.PLOTS}
    for name, over in plots.PLOTS.items():
        drawn = (tmp_path / f"{name}.svg").read_text()
        assert over in drawn
        assert "p50, ms" in drawn
        assert "goal: " in drawn
        assert plots.read()[name].where in drawn


def test_the_plots_in_the_docs_are_those_of_the_stored_figures(tmp_path: Path) -> None:
    plots.draw(plots.read(), tmp_path)

    assert {one.name for one in (DOCS / "curves").iterdir()} == {
        one.name for one in tmp_path.iterdir()
    }
    for one in tmp_path.iterdir():
        assert (DOCS / "curves" / one.name).read_text() == one.read_text(), one.name


def test_every_plot_that_is_shown_is_one_that_is_drawn_and_the_other_way_round() -> None:
    shown = [name for page in DOCS.glob("*.md") for name in SHOWN.findall(page.read_text())]

    assert sorted(shown) == sorted(plots.PLOTS)
    assert "make bench-curves" in (DOCS / "sizing.md").read_text()
