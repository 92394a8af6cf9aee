"""Lines: cleaned by staff cards only, and a keg that blows empty, whatever the books say."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from nats.aio.client import Client
from pourline.auth_lock.errors import BadConfigValue
from pourline.auth_lock.handlers import taps
from pourline.contracts.cellar import KegConnected
from pourline.contracts.device import AuthorizeResult, TapStatus
from pourline.contracts.guests import CutOff
from pourline.contracts.taps import CleanTap, GetTap, ResumeTap, StopTap, Tap
from pourline.kit.db import Database
from pourline.kit.ids import new_id
from pourline.testkit.access import CARD, STAFF, Bar, envelope, open_bar, status_word
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase


@pytest.fixture
async def bar(fresh_database: FreshDatabase, bus: Client, clock: FakeClock) -> AsyncIterator[Bar]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    async with open_bar(database, bus, clock) as bar:
        yield bar


async def tap(bar: Bar) -> Tap:
    async with bar.database.transaction() as unit:
        return await taps.get_tap(GetTap(tap_id="1"), unit, STAFF)


async def order(bar: Bar, what: type[CleanTap | ResumeTap | StopTap]) -> Tap:
    does: dict[Any, Any] = {
        CleanTap: taps.clean_tap,
        ResumeTap: taps.resume_tap,
        StopTap: taps.stop_tap,
    }
    async with bar.database.transaction() as unit:
        done: Tap = await does[what](what(tap_id="1", reason="monday"), unit, STAFF)
        return done


async def says(bar: Bar, *, gas: bool | None, seq: int) -> str:
    status = TapStatus(online=True, gas=gas)
    bar.clock.advance(seconds=1)
    async with bar.database.transaction() as unit:
        await taps.take_status(unit, [status_word("1", status, bar.clock, seq=seq)])
    return (await tap(bar)).state.value


async def connect(bar: Bar, **fields: Any) -> None:  # noqa: ANN401 any of the event's fields
    known = await tap(bar)
    bar.clock.advance(seconds=1)
    told = KegConnected(
        keg_id=str(new_id()),
        tap_id="1",
        beverage_id=known.beverage_id or str(new_id()),
        beverage_name="Pils",
        volume_ml=Decimal(50_000),
        remaining_ml=Decimal(50_000),
        connected_at=bar.clock.now(),
        **fields,
    )
    async with bar.database.transaction() as unit:
        await taps.know_connected_kegs([envelope(told, bar.clock.now())], unit)


def denied(answer: AuthorizeResult) -> tuple[str, str]:
    return answer.decision.value, answer.reason


@pytest.mark.requirement("LK-3", "KG-5")
async def test_only_a_staff_card_opens_a_tap_that_is_being_cleaned_and_for_nothing(
    bar: Bar,
) -> None:
    await order(bar, CleanTap)
    guest = await bar.put_card()
    await bar.configure("staff_cards", [CARD])
    staff = await bar.put_card()

    assert denied(guest) == ("deny", "tap_not_active")
    assert "is being cleaned (cleaning)" in guest.message
    assert (staff.decision, staff.price_per_litre) == ("allow", 0)
    [hold] = bar.ledger.orders
    assert hold.price_per_litre == 0
    assert await bar.locked_at() == "1"


async def test_a_staff_card_pays_elsewhere_like_any_other(bar: Bar) -> None:
    await bar.configure("staff_cards", [CARD])

    answer = await bar.put_card()

    assert answer.decision == "allow"
    assert answer.price_per_litre


async def test_a_staff_card_cleans_outside_serving_hours_and_no_stopped_tap(bar: Bar) -> None:
    await bar.configure("staff_cards", [CARD])
    await bar.staff(CutOff(visit_id=bar.visit.id, reason="tired"))
    await order(bar, StopTap)
    stopped = await bar.put_card()
    await order(bar, CleanTap)
    cleaning = await bar.put_card()

    assert (stopped.decision, cleaning.decision) == ("deny", "allow")


@pytest.mark.parametrize("value", ["04a1b2c3", ["04:A1:B2:C3"], ["04a1"], [7], [""]])
async def test_a_staff_card_is_a_uid_as_it_is_kept(bar: Bar, value: object) -> None:
    with pytest.raises(BadConfigValue):
        await bar.configure("staff_cards", value)


@pytest.mark.requirement("KG-5")
async def test_resuming_ends_a_cleaning_and_the_next_one_is_due_as_configured(bar: Bar) -> None:
    assert (await tap(bar)).cleaned_at is None
    began = bar.clock.now()
    await order(bar, CleanTap)
    bar.clock.advance(minutes=20)
    await order(bar, CleanTap)
    bar.clock.advance(minutes=20)
    done = await order(bar, ResumeTap)
    await order(bar, ResumeTap)

    assert done.cleaned_at == bar.clock.now()
    assert done.cleaning_due_at == bar.clock.now() + timedelta(days=14)
    await bar.configure("cleaning_interval_days", 7)
    assert (await tap(bar)).cleaning_due_at == bar.clock.now() + timedelta(days=7)
    [told] = await bar.told("evt.tap.cleaned")
    assert told["actor"] == "anna"
    ended = began + timedelta(minutes=40)
    assert [told[name][:19] for name in ("began_at", "ended_at")] == [
        began.isoformat()[:19],
        ended.isoformat()[:19],
    ]


async def test_a_cleaning_that_is_stopped_is_over_and_made_nothing_clean(bar: Bar) -> None:
    await order(bar, CleanTap)
    await order(bar, StopTap)
    after = await order(bar, ResumeTap)

    assert (after.cleaned_at, after.cleaning_due_at) == (None, None)
    assert len(await bar.told("evt.tap.cleaned")) == 1


@pytest.mark.requirement("KG-4")
async def test_gas_turns_a_tap_out_of_keg_until_another_keg_is_on(bar: Bar) -> None:
    states = [await says(bar, gas=False, seq=1), await says(bar, gas=True, seq=2)]
    card = await bar.put_card()
    shown = (await tap(bar)).gas
    await connect(bar)
    states += [(await tap(bar)).state.value, await says(bar, gas=True, seq=3)]
    states += [await says(bar, gas=False, seq=4), await says(bar, gas=True, seq=5)]

    assert states == ["active", "out_of_keg", "active", "active", "active", "out_of_keg"]
    assert denied(card) == ("deny", "tap_not_active")
    assert shown
    await order(bar, ResumeTap)
    assert ((await tap(bar)).state.value, (await tap(bar)).gas) == ("active", False)


async def test_a_word_without_gas_neither_clears_it_nor_makes_it_news(bar: Bar) -> None:
    states = [await says(bar, gas=True, seq=1), await says(bar, gas=None, seq=2)]
    await connect(bar)
    states.append(await says(bar, gas=True, seq=3))

    assert states == ["out_of_keg", "out_of_keg", "active"]


@pytest.mark.requirement("KG-2")
async def test_which_keg_was_connected_and_which_was_first_in_line_is_on_record(bar: Bar) -> None:
    first = str(new_id())
    await connect(bar, suggested_keg_id=first, suggestion="oldest", reason="dented", actor="anna")
    [line] = await bar.audited("keg_connected_out_of_line")

    assert (line["actor"], line["subject"], line["reason"]) == ("anna", "tap:1", "dented")
    after = line["after"] if isinstance(line["after"], dict) else orjson.loads(line["after"])
    assert (after["suggested_keg_id"], after["suggestion"]) == (first, "oldest")
