"""What keeps alerts quiet, makes them graver, and tells of them again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pourline.alerts.domain.kinds import Kind, Severity, cause_of, opened
from pourline.alerts.domain.pours import pour_findings
from pourline.alerts.handlers import desk, escalation, suppressions
from pourline.alerts.handlers.opening import apply, end, raise_kind
from pourline.alerts.jobs import AlertTopics
from pourline.alerts.store import known
from pourline.contracts.base import Listing
from pourline.contracts.evening import AcknowledgeAlert, Alert, ListAlerts
from pourline.contracts.notices import (
    LiftSuppression,
    ListSuppressions,
    SuppressAlerts,
    Suppression,
)
from pourline.contracts.record import AlertsRecorded
from pourline.kit.db import Database, Row
from pourline.kit.errors import Malformed, Refusal
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=3)
NOT_QUIET: tuple[tuple[float, dict[str, Any]], ...] = (
    (10, {}),
    (-1, {"subject": "k"}),
    (10, {"kind": "no_such_kind"}),
)


@dataclass(kw_only=True)
class House:
    """Alerts, their topics and letters."""

    database: Database
    clock: FakeClock

    async def empty(self, keg: str) -> None:
        async with self.database.transaction() as unit:
            await apply(unit, [opened(cause_of(Kind.KEG_EMPTY, keg), beverage="P", tap_id="1")])

    async def full_again(self, keg: str) -> None:
        async with self.database.transaction() as unit:
            await end(unit, cause_of(Kind.KEG_EMPTY, keg))

    async def quiet(self, *, minutes: float = 10, **what: object) -> Suppression:
        async with self.database.transaction() as unit:
            until = self.clock.now() + timedelta(minutes=minutes)
            order = SuppressAlerts.model_validate(what | {"until": until, "reason": "we know"})
            return await suppressions.suppress(order, unit, STAFF)

    async def lift(self, suppression_id: str) -> Suppression:
        async with self.database.transaction() as unit:
            order = LiftSuppression(suppression_id=suppression_id)
            return await suppressions.lift(order, unit, STAFF)

    async def in_force(self) -> Listing[Suppression]:
        async with self.database.transaction() as unit:
            return await suppressions.list_suppressions(ListSuppressions(), unit, STAFF)

    async def turn(self, **by: float) -> None:
        """Let time pass, and the timers turn."""
        self.clock.advance(**by)
        async with self.database.transaction() as unit:
            await suppressions.release(unit)
            await escalation.escalate(unit)

    async def topics(self) -> list[tuple[str, bool]]:
        topics = AlertTopics()
        async with self.database.transaction() as unit:
            words = await topics.untold(unit)
            await topics.mark_told(unit, [(word.key, word.version) for word in words])
        return [(word.topic.removeprefix("bar/main/alerts/"), bool(word.payload)) for word in words]

    async def alerts(self) -> list[Alert]:
        async with self.database.transaction() as unit:
            return (await desk.list_alerts(ListAlerts(), unit, STAFF)).items

    async def rows(self, sql: str) -> list[Row]:
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def letters(self) -> list[str]:
        return [
            row["type"] for row in await self.rows("SELECT type FROM notification ORDER BY number")
        ]

    async def told(self) -> list[str]:
        rows = await self.rows("SELECT subject FROM outbox ORDER BY id")
        subjects = [row["subject"] for row in rows if row["subject"] != AlertsRecorded.subject()]
        return [subject.removeprefix("evt.alert.") for subject in subjects]


@pytest.fixture
async def house(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[House]:
    database = Database(url=fresh_database("alerts"), service="alerts", clock=clock)
    await database.open()
    yield House(database=database, clock=clock)
    await database.close()


@pytest.mark.requirement("AL-9")
@pytest.mark.parametrize("what", [{"kind": "keg_empty"}, {"subject": "k"}])
async def test_a_suppressed_cause_is_listed_and_told_when_the_suppression_ends(
    house: House, what: dict[str, Any]
) -> None:
    await house.quiet(**what)
    await house.empty("k")
    [hidden] = await house.alerts()
    silent = await house.topics(), await house.letters(), await house.told()
    await house.turn(minutes=9)
    assert await house.topics() == []
    await house.turn(minutes=1)

    assert (hidden.state, hidden.suppressed_until is not None) == ("open", True)
    assert silent == ([], [], [])
    assert await house.topics() == [(f"critical/{hidden.id}", True)]
    assert (await house.letters(), await house.told()) == (["alert"], ["opened"])
    [shown] = await house.alerts()
    assert shown.suppressed_until is None


@pytest.mark.requirement("AL-9")
async def test_what_is_over_before_its_suppression_was_never_told(house: House) -> None:
    await house.quiet(kind="keg_empty")
    await house.empty("k")
    await house.full_again("k")
    await house.turn(minutes=11)

    assert (await house.topics(), await house.letters(), await house.told()) == ([], [], [])
    assert [one.state for one in await house.alerts()] == ["resolved"]


@pytest.mark.requirement("AL-9")
async def test_a_lifted_suppression_tells_at_once_unless_another_one_stands(house: House) -> None:
    kind, subject = await house.quiet(kind="keg_empty"), await house.quiet(subject="k")
    await house.empty("k")
    await house.lift(kind.id)
    still = await house.topics()
    await house.lift(subject.id)

    assert still == []
    assert [said for _, said in await house.topics()] == [True]
    assert (await house.in_force()).items == []


@pytest.mark.requirement("AL-9")
async def test_a_longer_suppression_that_comes_later_keeps_quiet_what_already_is(
    house: House,
) -> None:
    await house.quiet(minutes=10, kind="keg_empty")
    await house.empty("k")
    await house.quiet(minutes=20, subject="k")
    await house.turn(minutes=15)
    assert await house.topics() == []
    await house.turn(minutes=5)

    assert [said for _, said in await house.topics()] == [True]


@pytest.mark.requirement("AL-9")
async def test_other_kinds_and_subjects_are_told_meanwhile(house: House) -> None:
    await house.quiet(kind="keg_low")
    await house.quiet(subject="other")
    await house.empty("k")

    assert await house.letters() == ["alert"]


async def test_nobody_silences_everything_nor_the_past_nor_what_does_not_exist(
    house: House,
) -> None:
    refusals = []
    for minutes, what in NOT_QUIET:
        with pytest.raises(Refusal) as refused:
            await house.quiet(minutes=minutes, **what)
        refusals.append((refused.value.status, refused.value.wire_code))
    assert refusals == [
        (422, "suppression_too_wide"),
        (409, "suppression_over"),
        (422, Malformed.code),
    ]
    one = await house.quiet(subject="k")
    await house.lift(one.id)
    for suppression_id, code in ((one.id, "suppression_over"), (str(new_id()), "not_found")):
        with pytest.raises(Refusal) as refused:
            await house.lift(suppression_id)
        assert refused.value.wire_code == code


@pytest.mark.requirement("AL-11")
async def test_a_critical_alert_that_nobody_answers_is_told_again_three_times(
    house: House,
) -> None:
    await house.empty("k")
    for _ in range(6):
        await house.turn(minutes=14, seconds=59)
        await house.turn(seconds=1)

    assert await house.letters() == ["alert", "escalation", "escalation", "escalation"]


@pytest.mark.requirement("AL-11")
async def test_who_acknowledges_is_not_told_again_and_0_minutes_switch_it_off(
    house: House,
) -> None:
    await house.empty("k")
    [alert] = await house.alerts()
    async with house.database.transaction() as unit:
        await desk.acknowledge_alert(AcknowledgeAlert(alert_id=alert.id), unit, STAFF)
    await house.turn(minutes=30)
    assert await house.letters() == ["alert"]

    await house.empty("other")
    async with house.database.transaction() as unit:
        await known.save_config(unit, key="escalation_minutes", value=0, version=1)
    await house.turn(minutes=30)
    assert await house.letters() == ["alert", "alert"]


@pytest.mark.requirement("AL-9", "AL-11")
async def test_a_suppression_holds_back_escalations_of_what_was_told_before(house: House) -> None:
    await house.empty("k")
    await house.quiet(minutes=60, subject="k")
    await house.turn(minutes=30)
    assert await house.letters() == ["alert"]
    await house.turn(minutes=31)

    assert await house.letters() == ["alert", "escalation"]


@pytest.mark.requirement("AL-1", "AL-2", "AL-7")
async def test_an_alert_that_becomes_graver_moves_to_its_new_topic_and_is_mailed(
    house: House,
) -> None:
    async with house.database.transaction() as unit:
        mismatch = pour_findings(
            client_tx_id="tx", tap_id="1", location="main", kind=Kind.SYNC_MISMATCH, reason=None
        )
        await apply(unit, [mismatch])
    [before] = await house.alerts()
    first = await house.topics()
    async with house.database.transaction() as unit:
        for _ in range(2):
            await raise_kind(unit, kind=Kind.SYNC_MISMATCH, location="main", to=Severity.CRITICAL)
    [after] = await house.alerts()
    alert = before.id

    assert (before.id, before.severity, after.severity) == (after.id, "warning", "critical")
    assert first == [(f"warning/{alert}", True)]
    assert await house.topics() == [
        (f"info/{alert}", False),
        (f"warning/{alert}", False),
        (f"critical/{alert}", True),
    ]
    assert (await house.told(), await house.letters()) == (["opened", "raised"], ["raised"])
