import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pourline.controller.console import HELP, HandWork
from pourline.controller.domain import Phase

from services.controller.tests.conftest import (
    BrokerProcess,
    LookedAt,
    ScriptedBar,
    Setup,
    TapUnderTest,
    open_bar,
    open_tap,
    until,
)


def stored_pours(path: Path) -> int:
    with sqlite3.connect(path) as db:
        count = int(db.execute("SELECT count(*) FROM pour").fetchone()[0])
    db.close()
    return count


def copy_of(directory: Path, target: Path) -> Path:
    """Take the files as they are now, as a power cut leaves them."""
    target.mkdir()
    for file in directory.glob("tap.db*"):
        shutil.copy(file, target / file.name)
    return target


async def pour(tap: TapUnderTest, volume_ml: int) -> None:
    tap.hand.show_card("04a1b2c3d4")
    await until(lambda: tap.hand.is_open)
    tap.hand.want(Decimal(volume_ml))


async def test_a_pour_is_sent_in_full_and_forgotten_once_answered(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    await pour(tap, 300)
    await until(lambda: bool(tap.heard.statuses))
    sent = bar.pours[0]
    assert sent["volume_ml"] == 300
    assert sent["pulses"] == 600
    assert sent["short_id"] == "000001"
    assert sent["duration_ms"] == 5000
    assert (sent["amount"], sent["price_per_litre"]) == (180, 600)
    assert (sent["visit_id"], sent["card_uid"]) == ("visit-1", "04a1b2c3d4")
    assert sent["grant_id"] == f"grant-{bar.asked[0]['request_id']}"
    assert sent["offline"] is False
    await until(lambda: stored_pours(tap.path) == 0)


@pytest.mark.requirement("LK-1")
async def test_a_denied_card_never_opens_the_valve(tap: TapUnderTest, bar: ScriptedBar) -> None:
    bar.deny = "insufficient_balance"
    tap.hand.show_card("04a1b2c3d4")
    await until(lambda: bool(tap.heard.refusals))
    assert tap.heard.refusals == ["insufficient_balance"]
    assert tap.tap.phase is Phase.IDLE
    assert all(status["valve"] == "closed" for status in bar.statuses)


async def test_an_authorize_is_repeated_with_its_id_until_answered(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    bar.answers_authorize = False
    tap.hand.show_card("04a1b2c3d4")
    await until(lambda: len(bar.asked) >= 2)
    assert bar.asked[0]["request_id"] == bar.asked[1]["request_id"]
    assert int(str(bar.asked[1]["age_ms"])) >= 1000


@pytest.mark.requirement("SY-2")
async def test_a_pour_is_sent_again_until_it_is_answered(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    bar.answers_pours = False
    await pour(tap, 100)
    await until(lambda: len(bar.pours) >= 3)
    assert len({str(sent["client_tx_id"]) for sent in bar.pours}) == 1
    ages = [int(str(sent["age_ms"])) for sent in bar.pours]
    assert ages == sorted(ages)
    assert ages[0] < ages[2]
    assert stored_pours(tap.path) == 1
    bar.answer_pour(bar.pours[0], status="held")
    await until(lambda: stored_pours(tap.path) == 0)
    assert tap.heard.statuses == ["held"]


@pytest.mark.requirement("SY-3")
async def test_pending_sync_is_told_once_an_answer_is_late_and_ends_with_it(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    bar.answers_pours = False
    await pour(tap, 50)
    await until(lambda: bar.statuses[-1]["pending_sync"] == 1)
    bar.answer_pour(bar.pours[0])
    await until(lambda: bar.statuses[-1]["pending_sync"] == 0)


async def test_a_grant_that_nobody_uses_ends_with_a_pour_of_nothing(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    tap.hand.show_card("04a1b2c3d4")
    await until(lambda: bool(bar.pours))
    assert bar.pours[0]["volume_ml"] == 0
    assert bar.pours[0]["grant_id"] == f"grant-{bar.asked[0]['request_id']}"


async def test_the_valve_closes_at_the_granted_volume(tap: TapUnderTest, bar: ScriptedBar) -> None:
    bar.allow = {"max_volume_ml": 200}
    await pour(tap, 5000)
    await until(lambda: bool(bar.pours))
    assert 200 <= Decimal(str(bar.pours[0]["volume_ml"])) <= 320
    assert not tap.hand.is_open


@pytest.mark.parametrize(
    ("topic", "body"),
    [("command", {"command_id": "c", "command": "stop"}), ("state", {"state": "stopped"})],
)
async def test_a_stop_shuts_the_valve_at_once_and_the_status_says_so(
    tap: TapUnderTest, bar: ScriptedBar, topic: str, body: dict[str, object]
) -> None:
    bar.allow = {"max_volume_ml": 100_000}
    await pour(tap, 50_000)
    await until(lambda: bar.statuses[-1]["valve"] == "open")
    bar.say(topic, body)
    await until(lambda: bar.statuses[-1]["valve"] == "closed")
    assert not tap.hand.is_open
    await until(lambda: bool(bar.pours) and tap.tap.phase is Phase.IDLE)
    tap.hand.show_card("04a1b2c3d4")
    await until(lambda: tap.heard.refusals == ["tap_not_active"])
    bar.say("command", {"command_id": "d", "command": "resume"})
    bar.allow = {"max_volume_ml": 100}
    await until(lambda: not tap.tap.is_stopped)
    await pour(tap, 50)


async def test_flow_is_told_at_most_once_a_second(tap: TapUnderTest, bar: ScriptedBar) -> None:
    bar.allow = {"max_volume_ml": 100_000}
    await pour(tap, 1_400)
    await until(lambda: bool(bar.pours))
    assert 1 <= len(bar.flows) <= 2
    assert bar.flows[0]["grant_id"] == bar.pours[0]["grant_id"]


async def test_messages_that_break_the_contract_are_ignored(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    for topic in ("authorize/result", "pour/result", "state", "command"):
        for body in (b"{", b"[]", b'"x"', b"{}", b"\xff", b"x" * 9000, b"[" * 5000):
            bar.say(topic, body)
    bar.say("authorize/result", {"request_id": "strange", "decision": "allow", "grant_id": "g"})
    bar.say("pour/result", {"client_tx_id": "strange", "status": "accepted"})
    await pour(tap, 50)
    await until(lambda: bool(tap.heard.statuses))
    bar.answer_pour(bar.pours[0])
    await pour(tap, 50)
    await until(lambda: len(tap.heard.statuses) == 2)


async def test_beer_that_runs_past_a_shut_valve_is_a_pour_of_nobody(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    tap.hand.leak(100)
    await until(lambda: bool(bar.pours))
    assert bar.pours[0]["volume_ml"] == 50
    assert not {"grant_id", "visit_id", "card_uid", "request_id"} & set(bar.pours[0])


@pytest.mark.requirement("SY-2")
async def test_a_restart_ends_the_open_grant_with_what_was_last_stored(
    tap: TapUnderTest, bar: ScriptedBar, tmp_path: Path
) -> None:
    bar.allow = {"max_volume_ml": 100_000}
    await pour(tap, 50_000)
    await until(lambda: bool(bar.flows))
    await until(lambda: any(left.flow.pulses for left in tap.store.open_grants()))
    power_cut = copy_of(tmp_path, tmp_path / "cut")
    await tap.cut_off()
    told = bar.flows[0]["pulses"]
    tap.path = power_cut / "tap.db"
    await tap.start()
    await until(lambda: bool(bar.pours))
    assert int(str(bar.pours[0]["pulses"])) >= int(str(told))
    assert bar.pours[0]["grant_id"] == f"grant-{bar.asked[0]['request_id']}"
    assert not tap.hand.is_open


@pytest.mark.requirement("SY-2")
async def test_a_pour_that_outlives_the_broker_is_kept_and_sent_when_it_is_back(
    own_broker: BrokerProcess, tmp_path: Path
) -> None:
    async with (
        open_bar(own_broker, "tap1") as bar,
        open_tap(own_broker, "tap1", tmp_path / "tap.db") as tap,
    ):
        await until(lambda: bool(bar.statuses))
        await pour(tap, 300)
        own_broker.kill()
        await until(lambda: stored_pours(tap.path) == 1)
        own_broker.start()
        await until(lambda: bool(tap.heard.statuses))
        assert bar.pours[0]["offline"] is True
        assert bar.pours[0]["volume_ml"] == 300
        await until(lambda: bar.statuses[-1]["pending_sync"] == 0)


async def test_a_late_allow_takes_no_guest_hostage(tap: TapUnderTest, bar: ScriptedBar) -> None:
    bar.answers_authorize = False
    tap.hand.show_card("04a1b2c3d4")
    await until(lambda: bool(bar.asked))
    tap.hand.take_card()
    await until(lambda: tap.tap.phase is Phase.IDLE)
    late = {"request_id": bar.asked[0]["request_id"], "grant_id": "g", "max_volume_ml": 500}
    bar.say("authorize/result", late | {"decision": "allow"})
    await until(lambda: bool(bar.pours))
    assert (bar.pours[0]["grant_id"], bar.pours[0]["volume_ml"]) == ("g", 0)


@pytest.mark.requirement("OP-1")
async def test_a_store_that_hangs_holds_up_neither_the_valve_nor_the_status(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    bar.allow = {"max_volume_ml": 100_000}
    await pour(tap, 50_000)
    await until(lambda: bar.statuses[-1]["valve"] == "open")
    with tap.disk_hanging():
        bar.say("command", {"command_id": "c", "command": "stop"})
        await until(lambda: bar.statuses[-1]["valve"] == "closed")
        assert not tap.hand.is_open
        assert bar.pours == []
    await until(lambda: bool(bar.pours))


@pytest.mark.requirement("SY-2")
async def test_nothing_opens_before_the_grant_is_on_the_disk(
    tap: TapUnderTest, bar: ScriptedBar
) -> None:
    with tap.disk_hanging():
        tap.hand.show_card("04a1b2c3d4")
        await until(lambda: tap.tap.phase is Phase.GRANTED)
        assert not tap.hand.is_open
    await until(lambda: tap.hand.is_open)
    assert [left.grant.visit_id for left in tap.store.open_grants()] == ["visit-1"]
    assert len(bar.asked) == 1


async def test_a_tap_can_be_worked_by_hand(tap: TapUnderTest, bar: ScriptedBar) -> None:
    said = list[str]()
    hand = HandWork(hand=tap.hand, tap=tap.tap, quit_=lambda: said.append("quit"), say=said.append)
    hand.do("card 04a1b2c3d4")
    await until(lambda: tap.hand.is_open)
    for line in ("pour 100.5", "pour much", "pour NaN", "status", "", "quit"):
        hand.do(line)
    await until(lambda: tap.hand.is_satisfied)
    hand.do("take")
    await until(lambda: bool(bar.pours))
    assert bar.pours[0]["volume_ml"] == Decimal("100.5")
    assert said == [HELP, HELP, "pouring, link up, 0 unanswered", "quit"]


class Ahead(LookedAt):
    """A clock that a machine without a battery woke up with."""

    def wall(self) -> datetime:
        return super().wall() + timedelta(days=400)


@pytest.mark.parametrize(("decided_ago_s", "opens"), [(0, True), (31, False)])
async def test_a_wrong_time_of_day_neither_shuts_a_tap_nor_opens_it_too_late(
    shared_broker: BrokerProcess,
    bar: ScriptedBar,
    tap_id: str,
    tmp_path: Path,
    decided_ago_s: int,
    opens: bool,  # noqa: FBT001 what is expected
) -> None:
    now = datetime.now(UTC)
    # The span between the two is what counts: none of it is left when it has passed.
    until_at = now + timedelta(seconds=30 - decided_ago_s)
    bar.allow = {
        "max_volume_ml": 500,
        "at": now.isoformat(),
        "expires_at": max(now, until_at).isoformat(),
    }
    async with open_tap(shared_broker, tap_id, tmp_path / "tap.db", Setup(clock=Ahead())) as tap:
        await until(lambda: bool(bar.statuses))
        tap.hand.show_card("04a1b2c3d4")
        if opens:
            await until(lambda: tap.hand.is_open)
        else:
            await until(lambda: bool(bar.pours))
            assert bar.pours[0]["volume_ml"] == 0
