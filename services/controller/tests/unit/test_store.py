import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pourline.controller.domain import Flow, Grant, Pour
from pourline.controller.store import Seen, Store

AT = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
SEEN = Seen(AT, "boot", 5_000)
GRANT = Grant("g1", "q1", "04aa", Decimal("500.5"), "v1", 60_000, 600)
POUR = Pour("p1", "", Decimal("250.125"), 500, AT, AT, 4_000, "boot", 9_000, grant_id="g1")


def after_a_power_cut(store_path: Path) -> Store:
    """Open a copy of the files as they are, while the first process still has them open."""
    cut = store_path.parent / "cut"
    cut.mkdir()
    for file in store_path.parent.glob("tap.db*"):
        shutil.copy(file, cut / file.name)
    return Store(cut / "tap.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tap.db"


@pytest.mark.requirement("SY-2")
def test_an_open_grant_and_its_last_flow_survive_a_power_cut(path: Path) -> None:
    store = Store(path)
    store.open_grant(GRANT, SEEN)
    store.note_flow("g1", Flow(40, 900), replace(SEEN, elapsed_ms=6_000), lifetime_pulses=40)
    reopened = after_a_power_cut(path)
    (left,) = reopened.open_grants()
    assert (left.grant, left.flow) == (GRANT, Flow(40, 900))
    assert left.seen == replace(SEEN, elapsed_ms=6_000)
    assert reopened.lifetime_pulses() == 40
    reopened.close()
    store.close()


@pytest.mark.requirement("SY-2")
def test_a_stored_pour_survives_a_power_cut_with_its_grant_ended(path: Path) -> None:
    store = Store(path)
    store.open_grant(GRANT, SEEN)
    stored = store.end_grant(POUR, lifetime_pulses=500)
    reopened = after_a_power_cut(path)
    assert reopened.pours() == [stored]
    assert stored == replace(POUR, short_id="000001")
    assert reopened.open_grants() == []
    reopened.close()
    store.close()


def test_a_pour_is_forgotten_by_its_id_alone(path: Path) -> None:
    store = Store(path)
    store.end_grant(POUR, lifetime_pulses=0)
    store.end_grant(replace(POUR, client_tx_id="p2"), lifetime_pulses=0)
    store.forget(["p1", "strange"])
    assert [pour.client_tx_id for pour in store.pours()] == ["p2"]
    store.close()


def test_a_pour_that_cannot_be_stored_leaves_its_grant_open(path: Path) -> None:
    store = Store(path)
    store.end_grant(POUR, lifetime_pulses=0)
    store.open_grant(GRANT, SEEN)
    with pytest.raises(sqlite3.IntegrityError):
        store.end_grant(POUR, lifetime_pulses=0)
    assert [left.grant.grant_id for left in store.open_grants()] == ["g1"]
    store.close()


@pytest.mark.requirement("SY-4")
def test_short_ids_count_in_six_digits_and_begin_again_after_the_last(path: Path) -> None:
    store = Store(path)
    first = [
        store.end_grant(replace(POUR, client_tx_id=str(number)), lifetime_pulses=0).short_id
        for number in range(2)
    ]
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE counter SET value=999998 WHERE name='short_id'")
    db.close()
    store = Store(path)
    then = [
        store.end_grant(replace(POUR, client_tx_id=f"x{number}"), lifetime_pulses=0).short_id
        for number in range(2)
    ]
    store.close()
    assert (first, then) == (["000001", "000002"], ["999999", "000001"])


def test_lifetime_pulses_never_go_back_whatever_comes_last(path: Path) -> None:
    store = Store(path)
    store.note_lifetime(700)
    store.end_grant(POUR, lifetime_pulses=500)
    store.note_flow("g1", Flow(40, 900), SEEN, lifetime_pulses=40)
    assert store.lifetime_pulses() == 700
    store.close()
