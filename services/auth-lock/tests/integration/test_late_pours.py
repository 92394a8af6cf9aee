"""What auth-lock makes of pours that people entered, decided, or that taps sent late."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from nats.aio.client import Client
from pourline.auth_lock.handlers.locks import count_poured, record_corrections, release_settled
from pourline.contracts.books import Decision, GuestCorrected, PourDecided, PourReconciled
from pourline.contracts.device import PourStatus
from pourline.contracts.money import PourMismatched
from pourline.kit.db import Database
from pourline.testkit.access import Bar, envelope, open_bar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        yield bar


async def record(bar: Bar) -> list[tuple[str, str, str | None]]:
    """Return what was recorded of the guest's visit: action, actor, reason."""
    rows = await bar.rows("SELECT action, actor, reason, subject FROM audit ORDER BY id")
    return [
        (row["action"], row["actor"], row["reason"])
        for row in rows
        if row["subject"] == f"visit:{bar.visit.id}"
    ]


@pytest.mark.requirement("SY-4", "LK-5")
async def test_an_entry_by_hand_opens_the_lock_and_is_on_record_with_its_actor(bar: Bar) -> None:
    answer = await bar.put_card()

    await bar.hear(bar.pour_told(answer.grant_id, entered_by="anna", comment="no link"))

    assert await bar.locked_taps() == []
    assert ("pour_entered", "anna", "no link") in await record(bar)


@pytest.mark.requirement("SY-6", "VI-6")
async def test_a_late_sync_that_agrees_is_on_record(bar: Bar) -> None:
    await bar.hear(bar.pour_told(None, kind=PourReconciled, status=PourStatus.RECONCILED))

    assert (await record(bar))[-1][0] == "late_sync_matched"


@pytest.mark.requirement("SY-6", "VI-6")
async def test_a_late_sync_that_differs_is_on_record_with_its_reason(bar: Bar) -> None:
    pour = bar.pour_told(None, kind=PourMismatched, reason="differs_from_manual_entry")

    await bar.hear(pour.model_copy(update={"status": PourStatus.MISMATCH}))

    assert (await record(bar))[-1] == ("late_sync_mismatch", "system", "differs_from_manual_entry")


@pytest.mark.requirement("VI-6")
@pytest.mark.parametrize("decision", list(Decision))
async def test_a_decision_is_on_record_with_who_and_why(bar: Bar, decision: Decision) -> None:
    pour = bar.pour_told(
        None, kind=PourDecided, decision=decision, actor="anna", why="seen", at=bar.clock.now()
    )

    await bar.hear(pour)

    assert (await record(bar))[-1] == (f"pour_decided_{decision.value}", "anna", "seen")


@pytest.mark.requirement("VI-6", "LE-1")
async def test_a_correction_is_on_record_under_its_guest(bar: Bar) -> None:
    event = GuestCorrected(
        transaction_id="t1",
        guest_id=bar.visit.guest.id,
        amount=150,
        balance=1000,
        actor="anna",
        reason="flat beer",
        at=bar.clock.now(),
    )
    async with bar.database.transaction() as unit:
        await record_corrections([envelope(event, bar.clock.now())], unit)

    [row] = await bar.audited("account_corrected")
    assert (row["actor"], row["reason"], row["after"]["amount"]) == ("anna", "flat beer", 150)


@pytest.mark.requirement("LK-5")
async def test_a_look_at_a_visit_and_the_events_of_its_tap_never_wait_for_each_other(
    bar: Bar,
) -> None:
    """A batch may hold the tap, for its keg's level, before it comes to the pour."""
    answer = await bar.put_card()
    assert answer.grant_id
    await bar.book_unheard(answer.grant_id, 400)
    heard = bar.ledger.pours[answer.grant_id]

    async with bar.database.transaction() as batch:
        await batch.execute("SELECT FROM tap WHERE id = %s FOR UPDATE", ("1",))
        opening = asyncio.create_task(
            release_settled(bar.database, bar.caller, UUID(answer.grant_id))
        )
        await until(lambda: waits_for_the_tap(bar), within_s=10)
        await count_poured(batch, [heard])

    assert await opening
    assert await bar.locked_taps() == []
    assert len(await bar.rows("SELECT FROM poured")) == 1


async def waits_for_the_tap(bar: Bar) -> bool:
    return bool(await bar.rows("SELECT FROM pg_locks WHERE NOT granted"))
