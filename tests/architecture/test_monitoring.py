"""Dashboards and rules name only what is told, and every rule says what to do."""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from pourline.upkeep.catalogue import METRICS, Kind

ROOT = Path(__file__).parents[2]
RULES = ROOT / "infra/prometheus/alerts.yml"
DASHBOARDS = sorted((ROOT / "infra/grafana").glob("*.json"))
BESIDE = {"service", "host", "le"}
"""Labels that the console adds to what services tell; see `OF_SERVICES`."""


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"]]


def expressions() -> list[str]:
    """Return all PromQL there is."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in rules())]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bpourline_\w+", expression))


def told() -> dict[str, set[str]]:
    """Return every series that is told, a histogram's three included, with its labels."""
    series: dict[str, set[str]] = {}
    for name, metric in METRICS.items():
        ends = ("_bucket", "_count", "_sum") if metric.kind is Kind.HISTOGRAM else ("",)
        series |= {f"{name}{end}": {*metric.labels, *BESIDE} for end in ends}
    return series


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_can_be_read_and_names_only_what_is_told(expression: str) -> None:
    series, names = told(), names_in(expression)

    promql_parser.parse(expression)

    assert names
    assert names <= series.keys()
    labels = set().union(*(series[name] for name in names))
    matched = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression))
    grouped = {
        label.strip()
        for inside in re.findall(r"\bby\s*\(([^)]*)\)", expression)
        for label in inside.split(",")
    }
    assert matched | grouped <= labels


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_says_what_it_is_how_grave_and_where_to_read_on(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    handbook = (ROOT / "docs/operations.md").read_text()

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"
    section = handbook.partition(f"\n### {name}\n")[2].partition("\n#")[0]
    for part in ("Symptom:", "Look:", "Mend:"):
        assert part in section, f"{name} does not say {part}"
    placed = re.findall(r"\{\{\s*\$labels\.(\w+)\s*\}\}", rule["annotations"]["summary"])
    named = set().union(*(told()[one] for one in names_in(rule["expr"])))
    assert set(placed) <= named


def test_the_handbook_has_no_section_for_a_rule_that_is_gone() -> None:
    handbook = (ROOT / "docs/operations.md").read_text()
    runbook = handbook.partition("\n## What to do when a rule fires\n")[2].partition("\n## ")[0]

    assert re.findall(r"^### (\w+)$", runbook, re.MULTILINE) == [rule["alert"] for rule in rules()]


def test_panels_have_titles_of_their_own_and_do_not_overlap() -> None:
    for path in DASHBOARDS:
        drawn = json.loads(path.read_text())["panels"]
        taken: set[tuple[int, int]] = set()
        for panel in drawn:
            at = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert max(x for x, _ in cells) < 24
            assert not cells & taken, panel["title"]
            taken |= cells
        assert len({panel["title"] for panel in drawn}) == len(drawn)


def test_every_metric_of_the_catalogue_is_in_the_handbook() -> None:
    handbook = (ROOT / "docs/operations.md").read_text()

    assert [name for name in METRICS if f"`{name}`" not in handbook] == []
