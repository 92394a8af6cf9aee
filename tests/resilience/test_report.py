"""What came of many sittings stands in one JSON, and the page counts all of it."""

import json
from dataclasses import replace
from pathlib import Path

from pourline.testkit.resilience import report
from pourline.testkit.resilience.run import Outcome, Served


def played(seed: int, **what: object) -> Outcome:
    served = [Served(kind="kill -9", target="ledger", again_after_s=1.5, alone=True)]
    return Outcome(seed=seed, world="own servers", pours=370, served=served, **what)  # type: ignore[arg-type]


def page_of(path: Path) -> str:
    rest = {
        "kills": report.of_kills(played(1)),
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
    report.keep_seed(path, played(7, lost=["tx-1"]), by_itself=True)

    page = page_of(path)
    assert "**1 of 1 seeds played to the end, 370 pours:\n1 lost" in page
    assert "Seed 7, own servers, not right: `pours lost or doubled`" in page
    assert "| kill -9 | ledger | 1 | 1 | 370 | 1 | 0 | 1.5 s | 1.5 s |" in page


def test_only_seeds_that_had_the_machine_to_themselves_say_how_long_things_took(
    tmp_path: Path,
) -> None:
    path = tmp_path / "promises.json"
    report.keep_seed(path, played(1))
    assert "| kill -9 | ledger | 1 | 1 | 370 | 0 | 0 | - | - |" in page_of(path)

    report.keep_seed(path, played(2), by_itself=True)

    page = page_of(path)
    assert "| kill -9 | ledger | 2 | 2 | 740 | 0 | 0 | 1.5 s | 1.5 s |" in page
    assert "Of 1 deaths of a process in them 1 came with nothing else wrong" in page


def test_deaths_beside_other_faults_are_told_by_what_they_took_when_those_were_over(
    tmp_path: Path,
) -> None:
    path = tmp_path / "promises.json"
    beside = Served(kind="kill -9", target="ledger", again_after_s=11.0, after_all_s=3.1)
    outcome = played(1)
    outcome.served += [beside, replace(beside, after_all_s=1.1, target="shift")]
    report.keep_seed(path, outcome, by_itself=True)

    page = page_of(path)

    assert "Of 3 deaths of a process in them 1 came with nothing else wrong" in page
    assert (
        "The other 2 came while parts were frozen, cut off, full or dying too: served again"
        " 2.1 s (median), 3.1 s at most, after the last of that which was over by then."
    ) in page


def test_the_page_says_how_long_each_death_kept_a_tap_from_serving(tmp_path: Path) -> None:
    page = page_of_one(tmp_path / "promises.json")

    assert "370 pours, 0 lost, 0 charged twice. The longest anybody waited for a tap: 1.5 s." in (
        page.replace("\n", " ")
    )
    assert "| ledger | 1 | 1.5 s | 1.5 s |" in page


def page_of_one(path: Path) -> str:
    report.keep_seed(path, played(1))
    return page_of(path)
