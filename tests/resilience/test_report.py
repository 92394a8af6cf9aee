"""What came of many sittings stands in one JSON, and the page counts all of it."""

import json
from pathlib import Path

from pourline.testkit.resilience import report
from pourline.testkit.resilience.run import Outcome, Served


def played(seed: int, **what: object) -> Outcome:
    served = [Served(kind="kill -9", target="ledger", again_after_s=1.5)]
    return Outcome(seed=seed, world="own servers", pours=370, served=served, **what)  # type: ignore[arg-type]


def page_of(path: Path) -> str:
    rest = {
        "deaths": [],
        "returns": [],
        "evening": report.of_evening(played(1), taps=50, minutes=10, faults=56),
        "machines": report.of_seeds([played(1)])[0],
    }
    report.keep(path, rest)
    return report.page(json.loads(path.read_text()))


def test_seeds_of_another_sitting_stand_beside_those_before(tmp_path: Path) -> None:
    path = tmp_path / "promises.json"
    for seed in (3, 1, 2):
        report.keep_seed(path, played(seed))

    assert [one["seed"] for one in json.loads(path.read_text())["seeds"]] == [1, 2, 3]
    assert report.seeds_in(path) == {1, 2, 3}
    assert "**3 of 3 seeds played to the end, 1,110 pours:\n0 lost, 0 charged twice.**" in page_of(
        path
    )


def test_a_seed_that_is_played_again_counts_once_and_its_fault_is_said(tmp_path: Path) -> None:
    path = tmp_path / "promises.json"
    report.keep_seed(path, played(7))
    report.keep_seed(path, played(7, lost=["tx-1"]))

    page = page_of(path)
    assert "**1 of 1 seeds played to the end, 370 pours:\n1 lost" in page
    assert "Seed 7, own servers, not right: `pours lost or doubled`" in page
    assert "| kill -9 | ledger | 1 | 1 | 370 | 1 | 0 | 1.5 s | 1.5 s |" in page
