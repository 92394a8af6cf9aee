"""What became of a keg's beer, when kegs run out, and which keg was first in line."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pourline.contracts.base import Envelope
from pourline.contracts.books import Decision, PourDecided
from pourline.contracts.cellar import ConnectKeg, Disposition, Keg
from pourline.contracts.losses import (
    Forecast,
    GetForecast,
    GetKegYield,
    GetLosses,
    KegYield,
    LossClass,
    TapCleaned,
)
from pourline.contracts.money import PourHeld
from pourline.keg_fifo.errors import KegUnknown
from pourline.keg_fifo.handlers import kegs, losses
from pourline.kit.ids import new_id
from pourline.testkit.clock import FakeClock
from pourline.testkit.kegs import STAFF, Kegs, open_kegs
from pourline.testkit.plugin import FreshDatabase
from pydantic import ValidationError


@pytest.fixture
async def cellar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Kegs]:
    async with open_kegs(fresh_database("keg-fifo"), clock) as cellar:
        yield cellar


async def yield_of(cellar: Kegs, keg: Keg) -> KegYield:
    async with cellar.database.transaction() as unit:
        return await losses.keg_yield(GetKegYield(keg_id=keg.id), unit, STAFF)


async def forecast(cellar: Kegs) -> Forecast:
    async with cellar.database.transaction() as unit:
        return await losses.forecast(GetForecast(), unit, STAFF)


async def clean(cellar: Kegs, began_at: datetime, ended_at: datetime) -> None:
    data = TapCleaned(
        tap_id="1", location="main", began_at=began_at, ended_at=ended_at, actor="anna"
    )
    event = Envelope[TapCleaned](
        id=str(new_id()),
        type="tap.cleaned.v1",
        source="auth-lock",
        subject="x",
        time=ended_at,
        aggregate="x",
        version=1,
        data=data,
    )
    async with cellar.database.transaction() as unit:
        await losses.know_cleanings([event], unit)


def held(cellar: Kegs, volume_ml: int, tx: str) -> PourHeld:
    return PourHeld(**cellar.poured(volume_ml, client_tx_id=tx).model_dump())


def decided(cellar: Kegs, volume_ml: int, tx: str, decision: Decision) -> PourDecided:
    pour = cellar.poured(volume_ml, client_tx_id=tx).model_dump()
    told = {"decision": decision, "actor": "anna", "why": "foam", "at": cellar.clock.now()}
    return PourDecided(**pour | told | {"takes_keg": decision is not Decision.REJECT})


@pytest.mark.requirement("KG-6")
async def test_every_millilitre_of_a_keg_is_of_one_class(cellar: Kegs) -> None:
    keg = await cellar.receive(10_000)
    await cellar.connect(keg)
    began = cellar.later()
    await cellar.pour(
        cellar.poured(4_000, price_per_litre=900),
        cellar.poured(300, ghost=True),
        held(cellar, 500, "wasted"),
        held(cellar, 700, "billed"),
        held(cellar, 200, "waits"),
        held(cellar, 900, "never ran"),
    )
    await cellar.pour(
        decided(cellar, 500, "wasted", Decision.WASTE),
        decided(cellar, 700, "billed", Decision.BILL),
        decided(cellar, 900, "never ran", Decision.REJECT),
    )
    cleaning_from = cellar.later()
    await cellar.pour(cellar.poured(600, price_per_litre=0), cellar.poured(50, ghost=True))
    await clean(cellar, cleaning_from, cellar.later())
    await cellar.pour(cellar.poured(100, price_per_litre=0))
    running = await yield_of(cellar, keg)
    cellar.clock.advance(days=3)
    await cellar.disconnect("1", Disposition.DISCARDED)
    cellar.clock.advance(days=30)
    over = await yield_of(cellar, keg)

    assert running.poured_ml == 4_000 + 700 + 100
    assert running.losses == {
        LossClass.GHOST: 300,
        LossClass.WASTE: 500,
        LossClass.CLEANING: 650,
        LossClass.HELD: 200,
        LossClass.DISCARDED: 0,
        LossClass.UNACCOUNTED: 0,
    }
    assert over.losses[LossClass.DISCARDED] == running.remaining_ml == 3_550
    assert over.poured_ml + sum(over.losses.values()) == over.nominal_ml
    assert over.yield_ratio == Decimal("0.48")
    assert (running.fresh_days, over.fresh_days) == (0, 3)
    assert over.tapped_at is not None
    assert over.tapped_at < began


async def lost(cellar: Kegs, since: datetime, until: datetime) -> dict[str, Decimal]:
    async with cellar.database.transaction() as unit:
        found = await losses.get_losses(GetLosses(from_=since, to=until), unit, STAFF)
    return {one.loss.value: one.volume_ml for one in found.items}


@pytest.mark.requirement("KG-6")
async def test_a_stretch_of_time_has_its_own_losses_by_class(cellar: Kegs) -> None:
    keg = await cellar.receive(10_000)
    await cellar.connect(keg)
    began = cellar.later()
    await cellar.pour(
        cellar.poured(4_000, price_per_litre=900),
        cellar.poured(300, ghost=True),
        held(cellar, 200, "waits"),
    )
    cleaning_from = cellar.later()
    await cellar.pour(cellar.poured(600, price_per_litre=0))
    await clean(cellar, cleaning_from, cellar.later())
    cellar.clock.advance(days=3)
    between = cellar.clock.now()
    await cellar.disconnect("1", Disposition.DISCARDED)
    after = cellar.later()

    assert await lost(cellar, began, between) == {"ghost": 300, "held": 200, "cleaning": 600}
    assert await lost(cellar, between, after) == {"discarded": 10_000 - 5_100}
    assert await lost(cellar, after, after + timedelta(days=1)) == {}


def test_a_stretch_of_time_ends_after_it_begins_and_is_bounded() -> None:
    now = datetime(2026, 5, 8, tzinfo=UTC)
    for until in (now, now - timedelta(days=1), now + timedelta(days=401)):
        with pytest.raises(ValidationError):
            GetLosses(from_=now, to=until)


@pytest.mark.requirement("KG-6")
async def test_what_an_empty_keg_still_had_is_unaccounted_and_what_ran_beyond_is_over(
    cellar: Kegs,
) -> None:
    short, long = await cellar.receive(1_000), await cellar.receive(1_000)
    await cellar.connect(short)
    await cellar.pour(cellar.poured(900, price_per_litre=9))
    await cellar.disconnect("1", Disposition.EMPTY)
    cellar.later()
    await cellar.connect(long)
    await cellar.pour(cellar.poured(1_050, price_per_litre=9))

    first, second = await yield_of(cellar, short), await yield_of(cellar, long)

    assert first.losses[LossClass.UNACCOUNTED] == 100
    assert first.yield_ratio == Decimal("0.9")
    assert first.over_ml == 0
    assert [second.poured_ml, second.over_ml] == [1_000, 50]
    assert second.yield_ratio == Decimal("1.05")


async def test_a_new_keg_has_no_yield_yet_and_an_unknown_one_none_at_all(cellar: Kegs) -> None:
    keg = await cellar.receive()

    new = await yield_of(cellar, keg)

    assert (new.yield_ratio, new.tapped_at, new.fresh_days) == (None, None, None)
    with pytest.raises(KegUnknown):
        await yield_of(cellar, keg.model_copy(update={"id": str(new_id())}))


@pytest.mark.requirement("KG-6")
async def test_a_kegs_end_is_told_from_what_its_tap_pours_of_it(cellar: Kegs) -> None:
    old, keg, quiet = await cellar.receive(), await cellar.receive(50_000), await cellar.receive()
    await cellar.connect(old)
    for _ in range(10):
        cellar.clock.advance(hours=12)
        await cellar.pour(cellar.poured(5_000))
    await cellar.connect(keg)
    await cellar.connect(quiet, "2")
    cellar.clock.advance(hours=12)
    await cellar.pour(cellar.poured(5_000))

    [one, other] = (await forecast(cellar)).items

    assert (one.keg_id, one.tap_id) == (keg.id, "1")
    assert one.remaining_ml == 45_000
    assert one.rate_ml_day == 11_000
    assert one.days_left == Decimal("4.1")
    assert one.runs_out_at is not None
    assert timedelta(days=4) < one.runs_out_at - cellar.clock.now() < timedelta(days=4.2)
    assert (other.keg_id, other.rate_ml_day, other.runs_out_at) == (quiet.id, None, None)
    assert other.basis.startswith("too little")


@pytest.mark.requirement("KG-2")
async def test_what_was_suggested_and_why_it_is_another_is_told_with_the_keg(
    cellar: Kegs,
) -> None:
    old, young = await cellar.receive(days_ago=9), await cellar.receive(days_ago=1)
    suggestion = await cellar.suggestion(cellar.pils)
    await cellar.connect(old)
    other = await cellar.receive(days_ago=5)
    order = ConnectKeg(
        tap_id="1", keg_id=young.id, reason="dented", disposition=Disposition.DISCARDED
    )
    async with cellar.database.transaction() as unit:
        await kegs.connect_keg(order, unit, STAFF)

    first, second = await cellar.told("evt.keg.connected")
    assert (first["keg_id"], first["suggested_keg_id"]) == (old.id, old.id)
    assert "reason" not in first
    assert (second["suggested_keg_id"], second["reason"]) == (other.id, "dented")
    assert second["actor"] == "anna"
    assert young.received_at.isoformat() in suggestion.reason
    assert (await cellar.now(old)).status == "discarded"
