"""Alerts against the real database: one a cause, opened, acknowledged, ended."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import psycopg.errors
import pytest
from pourline.alerts.handlers import config, desk, devices, kegs, pours
from pourline.alerts.handlers.stock import on_stock_changed
from pourline.alerts.invariants import INVARIANTS
from pourline.alerts.jobs import AlertTopics
from pourline.contracts.base import Envelope, Event
from pourline.contracts.books import Decision, GuestCorrected, PourDecided
from pourline.contracts.cellar import KegDisconnected, KegLevelChanged, KegStatus, Unit
from pourline.contracts.device import PourStatus, Severity, TapState
from pourline.contracts.evening import AcknowledgeAlert, Alert, AlertState, ListAlerts, ResolveAlert
from pourline.contracts.guests import LockStale, LostCardUsed
from pourline.contracts.money import GuestToppedUp, PourAccepted, PourHeld, PourMismatched
from pourline.contracts.record import AlertsRecorded
from pourline.contracts.stock import InventoryRow, StockChanged
from pourline.contracts.taps import ConfigChanged, FoamReported, TapStateChanged
from pourline.kit.db import Database, Row
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=1)
AT = datetime.fromisoformat("2026-05-01T18:00:00Z")
Told = TypeVar("Told", bound=Event)


VERSIONS = itertools.count(1)


def told(event: Told, version: int | None = None) -> Envelope[Told]:
    """Return an event as it travels, newer than those before it unless it says otherwise."""
    return Envelope(
        id=str(new_id()),
        type=f"{event.TYPE}.v1",
        source=event.PRODUCER,
        subject="x",
        time=AT,
        aggregate=f"keg:{getattr(event, 'keg_id', 'none')}",
        version=version or next(VERSIONS),
        data=event,
    )


def level(remaining_ml: int, *, keg_id: str = "keg", tap_id: str | None = "1") -> KegLevelChanged:
    return KegLevelChanged(
        keg_id=keg_id,
        beverage_id="pils",
        beverage_name="Pils",
        tap_id=tap_id,
        volume_ml=Decimal(10_000),
        remaining_ml=Decimal(remaining_ml),
    )


@dataclass(kw_only=True)
class Office:
    """Where alerts are read."""

    database: Database

    async def levels(self, *levels: KegLevelChanged) -> None:
        async with self.database.transaction() as unit:
            await kegs.on_keg_levels([told(one) for one in levels], unit)

    async def alerts(self, **query: object) -> list[Alert]:
        async with self.database.transaction() as unit:
            order = ListAlerts.model_validate(query)
            return (await desk.list_alerts(order, unit, STAFF)).items

    async def standing(self) -> list[str]:
        return [one.kind for one in await self.alerts() if one.state is not AlertState.RESOLVED]

    async def acknowledge(self, alert_id: str, comment: str | None = None) -> Alert:
        async with self.database.transaction() as unit:
            order = AcknowledgeAlert(alert_id=alert_id, comment=comment)
            return await desk.acknowledge_alert(order, unit, STAFF)

    async def resolve(self, alert_id: str, comment: str | None = None) -> Alert:
        async with self.database.transaction() as unit:
            order = ResolveAlert(alert_id=alert_id, comment=comment)
            return await desk.resolve_alert(order, unit, STAFF)

    async def topics(self) -> list[tuple[str, bool]]:
        """Return what is said on alert topics now, and whether it says anything."""
        topics = AlertTopics()
        async with self.database.transaction() as unit:
            words = await topics.untold(unit)
            await topics.mark_told(unit, [(word.key, word.version) for word in words])
        return [(word.topic, bool(word.payload)) for word in words]

    async def rows(self, sql: str) -> list[Row]:
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def announced(self) -> list[str]:
        rows = await self.rows("SELECT subject FROM outbox ORDER BY id")
        subjects = [row["subject"] for row in rows if row["subject"] != AlertsRecorded.subject()]
        return [subject.removeprefix("evt.alert.") for subject in subjects]


@pytest.fixture
async def office(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Office]:
    database = Database(url=fresh_database("alerts"), service="alerts", clock=clock)
    await database.open()
    office = Office(database=database)
    yield office
    rules = [rule for rule in INVARIANTS if rule.name != "outbox_is_published"]
    assert [rule.name for rule in rules if await office.rows(rule.sql)] == []
    await database.close()


@pytest.mark.requirement("AL-1")
async def test_a_breach_that_is_seen_again_and_again_is_one_alert(office: Office) -> None:
    for remaining_ml in (1500, 1400, 1400, 900):
        await office.levels(level(remaining_ml))

    [alert] = await office.alerts()
    assert (alert.kind, alert.severity, alert.state) == ("keg_low", "warning", "open")
    assert alert.message == "The keg on tap 1 holds 900 ml, 9 %."
    assert await office.announced() == ["opened"]


async def test_twenty_who_see_a_breach_at_once_open_one_alert(office: Office) -> None:
    await asyncio.gather(*(office.levels(level(1000 + number)) for number in range(20)))

    assert await office.standing() == ["keg_low"]
    assert await office.announced() == ["opened"]


async def test_an_empty_keg_ends_the_low_one_and_another_keg_is_another_cause(
    office: Office,
) -> None:
    await office.levels(level(1000), level(900, keg_id="other"))
    await office.levels(level(0))

    assert sorted(await office.standing()) == ["keg_empty", "keg_low"]
    assert sorted(await office.announced()) == ["opened", "opened", "opened", "resolved"]


async def test_only_the_newest_level_of_a_batch_counts(office: Office) -> None:
    await office.levels(level(1000), level(0), level(10_000))

    assert await office.alerts() == []


async def test_a_keg_taken_off_and_a_late_pour_from_it_trouble_nobody(office: Office) -> None:
    await office.levels(level(1000))
    off = KegDisconnected(
        keg_id="keg",
        tap_id="1",
        status=KegStatus.IN_STOCK,
        swapped=True,
        remaining_ml=Decimal(1000),
        disconnected_at=AT,
    )
    async with office.database.transaction() as unit:
        await kegs.on_kegs_disconnected([told(off)], unit)
    await office.levels(level(700, tap_id=None))

    assert await office.standing() == []


async def test_a_cause_that_comes_back_is_a_new_alert(office: Office) -> None:
    for remaining_ml in (1000, 10_000, 1000):
        await office.levels(level(remaining_ml))

    states = [one.state.value for one in await office.alerts()]
    assert states == ["open", "resolved"]
    assert await office.announced() == ["opened", "resolved", "opened"]


async def test_a_level_that_is_told_after_the_keg_is_off_opens_no_alert(office: Office) -> None:
    late = told(level(500))
    off = KegDisconnected(
        keg_id="keg",
        tap_id="1",
        status=KegStatus.RETURNED,
        swapped=False,
        remaining_ml=Decimal(400),
        disconnected_at=AT,
    )
    async with office.database.transaction() as unit:
        await kegs.on_kegs_disconnected([told(off)], unit)
        await kegs.on_keg_levels([late], unit)

    assert await office.alerts() == []


@pytest.mark.requirement("AL-1")
async def test_staff_acknowledge_and_resolve_with_their_name_and_comment(office: Office) -> None:
    await office.levels(level(0))
    [alert] = await office.alerts()

    seen = await office.acknowledge(alert.id, "fetching one")
    await office.levels(level(0))
    over = await office.resolve(alert.id)

    assert (seen.state, seen.acknowledged_by, seen.comment) == (
        "acknowledged",
        "anna",
        "fetching one",
    )
    assert (over.state, over.resolved_by, over.comment) == ("resolved", "anna", "fetching one")
    assert over.resolved_at is not None
    assert await office.announced() == ["opened", "acknowledged", "resolved"]


async def test_what_is_over_or_unknown_is_refused(office: Office) -> None:
    await office.levels(level(0))
    [alert] = await office.alerts()
    await office.resolve(alert.id)

    codes = []
    for alert_id in (alert.id, str(new_id()), "nothing"):
        with pytest.raises(Rejected) as refused:
            await office.acknowledge(alert_id)
        codes.append(refused.value.wire_code)
    assert codes == ["alert_resolved", "not_found", "not_found"]


async def test_the_ratio_of_the_configuration_counts_and_an_older_one_never_wins(
    office: Office,
) -> None:
    newer = told(ConfigChanged(key="keg_low_ratio", value=0.5), version=2)
    older = told(ConfigChanged(key="keg_low_ratio", value=0.01), version=1)
    async with office.database.transaction() as unit:
        await config.on_config([newer, older], unit)

    await office.levels(level(5000))

    assert await office.standing() == ["keg_low"]


@pytest.mark.requirement("AL-2")
async def test_a_guest_who_owes_is_told_until_paid(office: Office) -> None:
    pour = PourAccepted(
        client_tx_id="tx",
        tap_id="1",
        location="main",
        guest_id="g",
        volume_ml=Decimal(300),
        amount=150,
        balance=-50,
        ghost=True,
        status=PourStatus.ACCEPTED,
        started_at=AT,
        ended_at=AT,
        received_at=AT,
        accepted_at=AT,
    )
    paid = GuestToppedUp(
        transaction_id="t", guest_id="g", amount=50, balance=0, method="cash", actor="anna", at=AT
    )
    async with office.database.transaction() as unit:
        await pours.on_pours_accepted([told(pour)], unit)
    before = sorted(await office.standing())
    async with office.database.transaction() as unit:
        await pours.on_topups([told(paid)], unit)

    assert (before, await office.standing()) == (["ghost_pour", "overdrawn"], ["ghost_pour"])


@pytest.mark.requirement("AL-2")
async def test_a_tap_is_offline_only_once_it_was_online(office: Office) -> None:
    states = []
    for was_ever_online, online in ((False, False), (True, False), (True, True)):
        link = TapStateChanged(
            tap_id="1",
            location="main",
            state=TapState.ACTIVE,
            online=online,
            pending_sync=0,
            was_ever_online=was_ever_online,
            at=AT,
        )
        async with office.database.transaction() as unit:
            await devices.on_tap_states([told(link)], unit)
        states.append(await office.standing())

    assert states == [[], ["device_offline"], []]


@pytest.mark.requirement("AL-2", "LC-1")
async def test_a_lost_card_is_one_critical_alert_until_a_person_resolves_it(
    office: Office,
) -> None:
    for tap_id in ("1", "2", "2"):
        used = LostCardUsed(card_uid="04aa", tap_id=tap_id, location="main", at=AT)
        async with office.database.transaction() as unit:
            await devices.on_lost_cards([told(used)], unit)
    [alert] = await office.alerts()
    await office.resolve(alert.id, "talked to the guest")

    assert (alert.kind, alert.severity) == ("lost_card_used", "critical")
    assert (alert.subject.type, alert.subject.id) == ("card", "04aa")
    assert alert.message == "Card 04aa is reported lost and was put on tap 2. It stayed shut."
    assert await office.standing() == []
    assert await office.announced() == ["opened", "resolved"]


async def test_foam_that_guests_report_is_one_alert_a_tap_until_a_person_resolves_it(
    office: Office,
) -> None:
    for tap_id in ("1", "1", "2"):
        reported = FoamReported(tap_id=tap_id, location="main", at=AT)
        async with office.database.transaction() as unit:
            await devices.on_foam([told(reported)], unit)
    first, second = sorted(await office.alerts(), key=lambda one: one.subject.id)
    await office.resolve(first.id, "line purged")

    assert (first.kind, first.severity, first.title) == ("foam_reported", "info", "Foam at tap 1")
    assert second.subject.id == "2"
    assert await office.standing() == ["foam_reported"]


@pytest.mark.requirement("AL-2", "LK-5")
async def test_a_stale_lock_is_told_until_it_is_open_and_an_old_word_never_wins(
    office: Office,
) -> None:
    def stale(*, over: bool, version: int) -> Envelope[LockStale]:
        lock = LockStale(
            visit_id="v",
            tap_id="1",
            location="main",
            grant_id="g",
            lock_set_at=AT,
            over=over,
            at=AT,
        )
        return told(lock, version)

    states = []
    for word in (stale(over=False, version=1), stale(over=True, version=2)):
        async with office.database.transaction() as unit:
            await devices.on_stale_locks([word], unit)
        states.append(await office.standing())
    async with office.database.transaction() as unit:
        await devices.on_stale_locks([stale(over=False, version=1)], unit)

    assert (states, await office.standing()) == ([["stale_lock"], []], [])


@pytest.mark.requirement("AL-7")
async def test_an_alert_is_told_on_its_topic_until_it_is_resolved(office: Office) -> None:
    await office.levels(level(1000))
    [alert] = await office.alerts()
    topic = f"bar/main/alerts/warning/{alert.id}"
    rounds = [await office.topics(), await office.topics()]
    await office.levels(level(1000))
    rounds.append(await office.topics())
    await office.levels(level(800))
    rounds.append(await office.topics())
    await office.levels(level(9000))
    rounds.append(await office.topics())

    said, cleared = [(topic, True)], [(topic, False)]
    assert rounds == [said, [], [], said, cleared]


async def test_after_a_new_connection_what_stands_is_told_and_what_ended_of_late_is_cleared(
    office: Office,
) -> None:
    """A broker that was killed has lost words, or remembers what it was told to forget."""
    await office.levels(level(1000, keg_id="of yesterday"))
    [old] = await office.alerts(severity="warning")
    await office.resolve(old.id)
    await office.rows(
        "UPDATE alert SET resolved_at = resolved_at - interval '25 hours' RETURNING id"
    )
    await office.levels(level(1000), level(0, keg_id="other"))
    await office.topics()
    [low] = [one for one in await office.alerts(severity="warning") if one.id != old.id]
    [empty] = await office.alerts(severity="critical")
    await office.resolve(low.id)
    await office.topics()
    async with office.database.transaction() as unit:
        await AlertTopics().tell_all_again(unit)

    said = await office.topics()
    assert said[0][1], "what stands comes first"
    assert [one for one in said if one[1] or "/warning/" in one[0]] == [
        (f"bar/main/alerts/critical/{empty.id}", True),
        (f"bar/main/alerts/warning/{low.id}", False),
    ]


async def test_alerts_are_listed_newest_first_by_severity_and_state(office: Office) -> None:
    for keg_id in "abc":
        await office.levels(level(1000, keg_id=keg_id))
    await office.levels(level(0, keg_id="a"))

    listed = [one.subject.id for one in await office.alerts()]
    assert listed == ["a", "c", "b", "a"]
    assert [one.kind for one in await office.alerts(severity=Severity.CRITICAL)] == ["keg_empty"]
    resolved = await office.alerts(state=AlertState.RESOLVED)
    assert [one.resolved_by for one in resolved] == ["system"]
    async with office.database.transaction() as unit:
        first = await desk.list_alerts(ListAlerts(limit=3), unit, STAFF)
        rest = await desk.list_alerts(ListAlerts(limit=3, cursor=first.next), unit, STAFF)
    assert [len(first.items), len(rest.items), rest.next] == [3, 1, None]


async def test_the_database_itself_refuses_a_second_alert_for_a_cause(office: Office) -> None:
    await office.levels(level(1000))

    with pytest.raises(psycopg.errors.UniqueViolation):
        await office.rows(
            """
            INSERT INTO alert (id, kind, severity, subject_type, subject_id, location, title,
                               message)
            SELECT uuidv7(), kind, severity, subject_type, subject_id, location, title, message
            FROM alert RETURNING id
            """
        )


def a_pour(kind: type[Told], **more: object) -> Told:
    fields: dict[str, object] = {
        "client_tx_id": "tx",
        "tap_id": "1",
        "location": "main",
        "volume_ml": 300,
        "amount": 0,
        "status": PourStatus.HELD,
        "started_at": AT,
        "ended_at": AT,
        "received_at": AT,
        "accepted_at": AT,
    }
    return kind.model_validate(fields | more)


@pytest.mark.parametrize("decided_first", [False, True])
async def test_a_held_pour_stands_as_an_alert_until_it_is_decided(
    office: Office, *, decided_first: bool
) -> None:
    held = told(a_pour(PourHeld, reason="time_in_future"), 1)
    said = {"decision": Decision.BILL, "actor": "anna", "why": "seen", "at": AT}
    decided = told(a_pour(PourDecided, **said), 4)

    async with office.database.transaction() as unit:
        if decided_first:
            await pours.on_pours_decided([decided], unit)
            await pours.on_pours_held([held], unit)
        else:
            await pours.on_pours_held([held], unit)
            await pours.on_pours_decided([decided], unit)

    assert await office.standing() == []


@pytest.mark.requirement("AL-2", "SY-6")
async def test_mismatches_are_critical_from_a_configured_number_of_them_on(office: Office) -> None:
    counted = told(ConfigChanged(key="sync_mismatch_critical_count", value=2))
    async with office.database.transaction() as unit:
        await config.on_config([counted], unit)
    grades = []
    for number in range(3):
        said = a_pour(PourMismatched, client_tx_id=f"tx{number}", status=PourStatus.MISMATCH)
        async with office.database.transaction() as unit:
            await pours.on_pours_mismatched([told(said)], unit)
        grades.append([one.severity.value for one in await office.alerts()])

    assert grades == [["warning"], ["critical"] * 2, ["critical"] * 3]


async def test_a_correction_ends_a_guests_debt(office: Office) -> None:
    owes = told(a_pour(PourAccepted, guest_id="g", balance=-5, status=PourStatus.ACCEPTED))
    paid = GuestCorrected(
        transaction_id="t",
        guest_id="g",
        amount=5,
        balance=0,
        actor="anna",
        reason="on the house",
        at=AT + timedelta(seconds=1),
    )
    async with office.database.transaction() as unit:
        await pours.on_pours_accepted([owes], unit)
    assert await office.standing() == ["overdrawn"]

    async with office.database.transaction() as unit:
        await pours.on_corrections([told(paid)], unit)

    assert await office.standing() == []


def stock(quantity: int, version: int, *, threshold: int | None = 5) -> Envelope[StockChanged]:
    row = InventoryRow(
        item_id="gin",
        name="Gin",
        unit=Unit.ML,
        current_stock=Decimal(quantity),
        low_stock=threshold is not None and quantity <= threshold,
        negative=quantity < 0,
        tracking_enabled=True,
        last_activity_at=AT,
        low_stock_threshold=None if threshold is None else Decimal(threshold),
        version=version,
    )
    return told(StockChanged(row=row), version)


async def changed(office: Office, *events: Envelope[StockChanged]) -> None:
    async with office.database.transaction() as unit:
        await on_stock_changed(events, unit)


@pytest.mark.requirement("AL-2")
async def test_low_stock_is_told_once_a_breach_also_when_staff_resolved_it(office: Office) -> None:
    await changed(office, stock(5, 1))
    [first] = await office.alerts()
    await changed(office, stock(4, 2))
    assert [one.message for one in await office.alerts()] != [first.message]
    await office.resolve(first.id, "ordered")
    await changed(office, stock(3, 3))
    assert await office.standing() == []

    await changed(office, stock(6, 4))
    await changed(office, stock(5, 5))

    assert await office.standing() == ["low_stock"]
    assert await office.announced() == ["opened", "resolved", "opened"]


@pytest.mark.requirement("AL-2", "SP-6")
async def test_stock_below_zero_is_an_alert_until_it_is_back(office: Office) -> None:
    await changed(office, stock(-1, 1, threshold=None))
    assert await office.standing() == ["negative_stock"]

    await changed(office, stock(0, 2, threshold=None))

    assert await office.standing() == []


@pytest.mark.requirement("AL-2")
async def test_old_news_of_stock_opens_and_ends_nothing(office: Office) -> None:
    await changed(office, stock(50, 4))
    await changed(office, stock(-1, 3), stock(2, 2))
    assert await office.alerts() == []

    await changed(office, stock(-9, 6))
    await changed(office, stock(50, 5))

    assert sorted(await office.standing()) == ["low_stock", "negative_stock"]


@pytest.mark.requirement("AL-2")
async def test_a_breach_that_was_over_in_between_is_a_new_one_also_in_one_batch(
    office: Office,
) -> None:
    await changed(office, stock(5, 1))
    [first] = await office.alerts()
    await office.resolve(first.id, "ordered")

    await changed(office, stock(4, 4), stock(3, 2), stock(60, 3))

    assert await office.standing() == ["low_stock"]
    assert await office.announced() == ["opened", "resolved", "opened"]
