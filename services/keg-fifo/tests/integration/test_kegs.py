"""Kegs on taps against the real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pourline.contracts.books import Decision, PourDecided, PourReconciled
from pourline.contracts.cellar import (
    Disposition,
    ListKegs,
)
from pourline.contracts.money import PourAccepted, PourHeld, PourMismatched, PourSettled
from pourline.keg_fifo.handlers import kegs
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.testkit.clock import FakeClock
from pourline.testkit.kegs import STAFF, Kegs, open_kegs
from pourline.testkit.plugin import FreshDatabase


@pytest.fixture
async def cellar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Kegs]:
    async with open_kegs(fresh_database("keg-fifo"), clock) as cellar:
        yield cellar


@pytest.mark.requirement("KG-3")
async def test_pours_across_a_swap_leave_the_keg_they_began_on_whenever_they_are_heard_of(
    cellar: Kegs,
) -> None:
    old, new = await cellar.receive(), await cellar.receive()
    await cellar.connect(old)
    before_swap = cellar.later()
    cellar.later()
    await cellar.connect(new)
    after_swap = cellar.later()

    await cellar.pour(cellar.poured(300, began=after_swap))
    cellar.later(minutes=180)
    await cellar.pour(
        cellar.poured(500, began=before_swap),
        cellar.poured(700, began=after_swap),
        cellar.poured(11, began=before_swap - timedelta(days=1)),
    )

    assert await cellar.left(old, new) == [49_489, 49_000]


@pytest.mark.requirement("KG-3")
async def test_a_pour_that_is_told_twice_leaves_the_keg_once(cellar: Kegs) -> None:
    keg = await cellar.receive()
    await cellar.connect(keg)
    pour = cellar.poured(300)

    await cellar.pour(pour, pour)
    await cellar.pour(pour)
    await asyncio.gather(*(cellar.pour(cellar.poured(10), pour) for _ in range(10)))

    assert await cellar.left(keg) == [49_600]


async def test_an_emptied_keg_gives_no_more_than_it_held(cellar: Kegs) -> None:
    keg = await cellar.receive(1000)
    await cellar.connect(keg)

    await cellar.pour(cellar.poured(700), cellar.poured(700))
    await cellar.pour(cellar.poured(50))

    assert await cellar.left(keg) == [0]
    [short] = await cellar.rows("SELECT sum(shortfall_ml) AS ml FROM keg_taking")
    assert short["ml"] == 450
    assert [level["remaining_ml"] for level in await cellar.told("evt.keg.level_changed")] == [0]


async def test_what_takes_no_beer_from_the_keg_leaves_it_alone(cellar: Kegs) -> None:
    keg = await cellar.receive()
    await cellar.connect(keg)

    await cellar.pour(cellar.poured(0), cellar.poured(300, takes_keg=False))
    await cellar.pour(cellar.poured(300, tap_id="2"))

    assert await cellar.left(keg) == [50_000]
    assert await cellar.told("evt.keg.level_changed") == []


@pytest.mark.requirement("KG-1")
async def test_a_swap_puts_the_old_keg_back_or_counts_it_empty(cellar: Kegs) -> None:
    first, second, third = [await cellar.receive(1000) for _ in range(3)]
    await cellar.connect(first)
    cellar.later()
    await cellar.pour(cellar.poured(1000))
    connected = await cellar.connect(second)
    cellar.later()
    await cellar.connect(third)

    states = [(await cellar.now(keg)).status.value for keg in (first, second, third)]
    assert states == ["empty", "in_stock", "connected"]
    assert (connected.tap_id, connected.connected_at) == ("1", cellar.clock.now() - STEP)
    assert [one["swapped"] for one in await cellar.told("evt.keg.disconnected")] == [True, True]
    assert len(await cellar.told("evt.keg.connected")) == 3


STEP = timedelta(minutes=10)


@pytest.mark.requirement("KG-1")
@pytest.mark.parametrize("disposition", list(Disposition))
async def test_a_disconnected_keg_becomes_what_staff_say(
    cellar: Kegs, disposition: Disposition
) -> None:
    keg = await cellar.receive()
    await cellar.connect(keg)
    cellar.later()

    off = await cellar.disconnect("1", disposition)

    assert (off.status, off.tap_id) == (disposition.value, None)
    assert off.disconnected_at == cellar.clock.now()
    with pytest.raises(Rejected) as refused:
        await cellar.disconnect("1")
    assert refused.value.wire_code == "no_keg_connected"


async def test_what_cannot_be_connected_is_refused_with_its_code(cellar: Kegs) -> None:
    keg, other = await cellar.receive(), await cellar.receive(beverage=cellar.ale)
    await cellar.connect(keg)
    gone = await cellar.receive()
    await cellar.connect(gone, "2")
    await cellar.disconnect("2", Disposition.DISCARDED)
    unknown = keg.model_copy(update={"id": str(new_id())})
    nonsense = keg.model_copy(update={"id": "keg"})

    assert await cellar.refusal(other) == "beverage_mismatch"
    assert await cellar.refusal(keg, "2") == "keg_not_in_stock"
    assert await cellar.refusal(gone, "2") == "keg_not_in_stock"
    assert await cellar.refusal(keg, "7") == "not_found"
    assert await cellar.refusal(unknown) == "not_found"
    assert await cellar.refusal(nonsense) == "not_found"


async def test_connecting_the_keg_that_is_on_already_changes_nothing(cellar: Kegs) -> None:
    keg = await cellar.receive()
    first = await cellar.connect(keg)
    cellar.later()

    assert await cellar.connect(keg) == first
    assert len(await cellar.told("evt.keg.connected")) == 1


async def test_kegs_that_change_within_one_instant_stay_in_their_order(cellar: Kegs) -> None:
    one, other = await cellar.receive(), await cellar.receive()
    await cellar.connect(one)
    await cellar.disconnect("1")
    await cellar.connect(other)
    cellar.clock.advance(minutes=-5)  # the machine's clock is set back
    await cellar.disconnect("1")
    await cellar.connect(one)

    cellar.clock.advance(minutes=10)
    await cellar.pour(cellar.poured(300))

    assert await cellar.left(one, other) == [49_700, 50_000]


async def test_ten_who_connect_one_keg_at_once_leave_it_on_one_tap(cellar: Kegs) -> None:
    keg = await cellar.receive()

    async def attempt(tap_id: str) -> str:
        try:
            return str((await cellar.connect(keg, tap_id)).tap_id)
        except Rejected as refused:
            return refused.wire_code

    outcomes = await asyncio.gather(*(attempt("12"[number % 2]) for number in range(10)))

    on = (await cellar.now(keg)).tap_id
    assert sorted(set(outcomes)) == [on, "keg_not_in_stock"]
    assert len(await cellar.told("evt.keg.connected")) == 1


async def test_a_late_pour_that_takes_the_rest_of_a_keg_in_stock_leaves_it_empty(
    cellar: Kegs,
) -> None:
    keg = await cellar.receive(1000)
    await cellar.connect(keg)
    began = cellar.later()
    cellar.later()
    await cellar.disconnect("1")

    await cellar.pour(cellar.poured(1000, began=began))

    assert (await cellar.now(keg)).status == "empty"
    assert await cellar.refusal(keg) == "keg_not_in_stock"


@pytest.mark.requirement("KG-2")
async def test_the_oldest_receipt_is_suggested_and_the_rest_are_candidates(
    cellar: Kegs,
) -> None:
    young = await cellar.receive(days_ago=1)
    old = await cellar.receive(days_ago=9)
    middle = await cellar.receive(days_ago=5)
    await cellar.receive(beverage=cellar.ale, days_ago=30)
    oldest = await cellar.receive(days_ago=20)
    await cellar.connect(oldest)

    found = await cellar.suggestion(cellar.pils)

    assert found.keg == old
    assert [one.id for one in found.candidates] == [old.id, middle.id, young.id]
    assert old.received_at.isoformat() in found.reason


@pytest.mark.requirement("KG-2")
async def test_without_a_keg_in_stock_nothing_is_suggested_and_said_so(cellar: Kegs) -> None:
    found = await cellar.suggestion(cellar.pils)

    assert (found.keg, found.candidates) == (None, [])
    assert "no keg" in found.reason
    stranger = cellar.pils.model_copy(update={"id": str(UUID(int=7))})
    with pytest.raises(Rejected) as refused:
        await cellar.suggestion(stranger)
    assert refused.value.wire_code == "not_found"


async def test_kegs_are_listed_page_by_page_oldest_first(cellar: Kegs) -> None:
    received = [await cellar.receive(days_ago=days) for days in (1, 3, 2)]
    async with cellar.database.transaction() as unit:
        first = await kegs.list_kegs(ListKegs(limit=2), unit, STAFF)
        rest = await kegs.list_kegs(ListKegs(limit=2, cursor=first.next), unit, STAFF)

    listed = [one.id for one in (*first.items, *rest.items)]
    assert listed == [received[1].id, received[2].id, received[0].id]
    assert rest.next is None


def by_hand(cellar: Kegs, volume_ml: int) -> PourAccepted:
    return cellar.poured(volume_ml, client_tx_id="manual-1", entered_by="anna")


def late(cellar: Kegs, volume_ml: int, kind: type[PourSettled] = PourMismatched) -> PourSettled:
    """Return the tap's own word on the pour that staff had entered."""
    pour = cellar.poured(volume_ml, client_tx_id="tx", replaces="manual-1")
    return kind.model_validate(pour.model_dump())


@pytest.mark.requirement("SY-6", "SY-7", "KG-3")
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1), (0, 0, 1, 1)])
async def test_the_keg_follows_the_tap_whichever_word_comes_first_or_twice(
    cellar: Kegs, order: tuple[int, ...]
) -> None:
    keg = await cellar.connect(await cellar.receive())
    words = (by_hand(cellar, 300), late(cellar, 450))

    for number in order:
        await cellar.pour(words[number])

    assert await cellar.left(keg) == [Decimal(49_550)]


async def test_words_in_one_batch_end_in_the_same_level(cellar: Kegs) -> None:
    keg = await cellar.connect(await cellar.receive())

    await cellar.pour(by_hand(cellar, 300), late(cellar, 450), cellar.poured(100))

    assert await cellar.left(keg) == [Decimal(49_450)]


async def test_a_tap_that_says_nothing_ran_gives_the_keg_back_what_staff_entered(
    cellar: Kegs,
) -> None:
    keg = await cellar.connect(await cellar.receive())
    await cellar.pour(by_hand(cellar, 300))

    await cellar.pour(late(cellar, 0))

    assert await cellar.left(keg) == [keg.volume_ml]


async def test_a_late_pour_leaves_the_keg_that_it_began_on_not_the_one_of_its_entry(
    cellar: Kegs,
) -> None:
    first = await cellar.connect(await cellar.receive())
    began = cellar.clock.now()
    cellar.later()
    second = await cellar.connect(await cellar.receive())
    cellar.later()
    await cellar.pour(by_hand(cellar, 300))

    pour = late(cellar, 300, PourReconciled).model_copy(update={"started_at": began})
    await cellar.pour(pour)

    assert await cellar.left(first, second) == [Decimal(49_700), Decimal(50_000)]


def decided(cellar: Kegs, decision: Decision, *, takes_keg: bool) -> PourDecided:
    pour = cellar.poured(300, client_tx_id="tx", takes_keg=takes_keg)
    said = {"decision": decision, "actor": "anna", "why": "looked", "at": cellar.clock.now()}
    return PourDecided.model_validate(pour.model_dump() | said)


@pytest.mark.requirement("KG-3")
@pytest.mark.parametrize("decided_first", [True, False])
async def test_a_rejected_pour_gives_its_keg_the_volume_back(
    cellar: Kegs, *, decided_first: bool
) -> None:
    keg = await cellar.connect(await cellar.receive())
    held = PourHeld.model_validate(cellar.poured(300, client_tx_id="tx").model_dump())
    rejected = decided(cellar, Decision.REJECT, takes_keg=False)

    for word in (rejected, held) if decided_first else (held, rejected):
        await cellar.pour(word)

    assert await cellar.left(keg) == [keg.volume_ml]


async def test_a_wasted_pour_stays_out_of_its_keg(cellar: Kegs) -> None:
    keg = await cellar.connect(await cellar.receive())
    held = PourHeld.model_validate(cellar.poured(300, client_tx_id="tx").model_dump())

    await cellar.pour(held)
    await cellar.pour(decided(cellar, Decision.WASTE, takes_keg=True))

    assert await cellar.left(keg) == [Decimal(49_700)]
