"""What reports show, of values: bars, levels walked back, the same weekdays, losses by class."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from pourline.console.pages import plots
from pourline.console.pages.reports_figures import (
    KegHistory,
    Look,
    compared,
    hour_bars,
    keg_line,
    same_weekday,
    variance,
)
from pourline.contracts.cellar import Keg, KegStatus
from pourline.contracts.device import PourStatus
from pourline.contracts.losses import LossClass, LossSum
from pourline.contracts.money import Pour
from pourline.contracts.reports import PourSums
from pourline.kit.ids import new_id

NOW = datetime(2026, 5, 8, 22, tzinfo=UTC)
LOOK = Look(currency="EUR", zone=ZoneInfo("Europe/Berlin"), unit="ml")
KEG_ID = str(new_id())


def sums(day: date, *, volume_ml: int = 0, ghost_ml: int = 0, pours: int = 1) -> PourSums:
    begins_at = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    return PourSums(
        begins_at=begins_at,
        ends_at=begins_at + timedelta(days=1),
        day=day,
        pours=pours if volume_ml else 0,
        volume_ml=Decimal(volume_ml),
        amount=volume_ml,
        ghost_ml=Decimal(ghost_ml),
        wasted_ml=Decimal(0),
        held_ml=Decimal(0),
    )


def keg(remaining_ml: int, *, received_at: datetime = NOW) -> Keg:
    return Keg(
        id=KEG_ID,
        beverage_id=str(new_id()),
        volume_ml=Decimal(50_000),
        remaining_ml=Decimal(remaining_ml),
        status=KegStatus.CONNECTED,
        received_at=received_at,
        connected_at=NOW - timedelta(hours=10),
        tap_id="1",
    )


def pour(ago: timedelta, volume_ml: int, keg_id: str = KEG_ID) -> Pour:
    return Pour(
        client_tx_id=str(new_id()),
        tap_id="1",
        keg_id=keg_id,
        volume_ml=Decimal(volume_ml),
        amount=0,
        status=PourStatus.ACCEPTED,
        sync_status="synced",
        offline=False,
        started_at=NOW - ago,
        ended_at=NOW - ago + timedelta(seconds=9),
    )


def test_an_hour_is_named_as_the_bars_clock_shows_it() -> None:
    assert hour_bars([sums(date(2026, 5, 8), volume_ml=500)], LOOK)[0].label == "06"


def test_a_day_stands_beside_those_whole_weeks_before_it() -> None:
    days = [
        sums(date(2026, 5, 8) - timedelta(days=back), volume_ml=1) for back in range(55, -1, -1)
    ]

    found = same_weekday(days)

    assert [one.day for one in found[-2:]] == [date(2026, 5, 1), date(2026, 5, 8)]
    assert (len(found), {one.day.weekday() for one in found if one.day}) == (8, {4})


def test_the_usual_is_the_mean_of_the_days_that_poured() -> None:
    days = [
        sums(date(2026, 4, 17)),
        sums(date(2026, 4, 24), volume_ml=1_000),
        sums(date(2026, 5, 1), volume_ml=3_000),
        sums(date(2026, 5, 8), volume_ml=500),
    ]

    assert compared(days, LOOK)[1:] == [
        ("Volume", "500 ml", "2,000 ml"),
        ("Charged", "€5.00", "€20.00"),
    ]
    assert compared(days[:1], LOOK)[0] == ("Pours", "0", "-")


@given(st.lists(st.integers(min_value=0, max_value=5_000), max_size=9))
def test_a_level_walked_back_begins_higher_by_all_that_was_poured(volumes: list[int]) -> None:
    pours = [pour(timedelta(hours=1 + place), ml) for place, ml in enumerate(volumes)]

    line = keg_line(KegHistory(name="1", keg=keg(1_000), pours=pours), NOW)

    assert line is not None
    levels = [y for _, y in line.points]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == Decimal(1_000 + sum(volumes)) / 50_000
    assert levels[-1] == Decimal(1_000) / 50_000
    assert [x for x, _ in line.points] == sorted(x for x, _ in line.points)


def test_what_is_foreseen_goes_on_at_its_owners_rate_until_it_is_empty() -> None:
    half = [pour(timedelta(hours=5), 10_000)]

    history = KegHistory(name="1", keg=keg(5_000), pours=half, rate_ml_day=Decimal(24_000))
    line = keg_line(history, NOW)
    still = keg_line(KegHistory(name="1", keg=keg(5_000), pours=[]), NOW)

    assert line is not None
    assert line.foreseen[-1][1] == 0
    assert line.foreseen[-1][0] == Decimal(29) / 48  # 24 l a day: five hours are left
    assert still is not None
    assert still.foreseen == ()


def test_another_kegs_pours_at_the_same_tap_do_not_raise_this_one() -> None:
    other = [pour(timedelta(hours=2), 700, keg_id=str(new_id()))]

    line = keg_line(KegHistory(name="1", keg=keg(5_000), pours=other), NOW)

    assert line is not None
    assert {y for _, y in line.points} == {Decimal("0.1")}


def test_losses_stand_beside_what_was_charged_by_their_class() -> None:
    week = [sums(date(2026, 5, 8), volume_ml=4_000)]
    lost = [
        LossSum(loss=LossClass.CLEANING, volume_ml=Decimal(600)),
        LossSum(loss=LossClass.GHOST, beverage_id="a", volume_ml=Decimal(100)),
        LossSum(loss=LossClass.GHOST, beverage_id="b", volume_ml=Decimal(20)),
        LossSum(loss=LossClass.DISCARDED, volume_ml=Decimal(9_000)),
    ]
    old = keg(0, received_at=NOW - timedelta(days=30))

    rows = variance(week, [keg(0, received_at=NOW), old], lost, LOOK)

    assert [(label, [one.shown for one in slices]) for label, slices in rows] == [
        ("Kegs received", ["50,000 ml"]),
        ("Poured", ["4,000 ml", "120 ml", "600 ml", "9,000 ml"]),
    ]


@given(
    st.lists(
        st.tuples(st.text(max_size=40), st.integers(min_value=0, max_value=10**12)), max_size=60
    )
)
def test_whatever_a_plot_is_of_it_stays_inside_and_lets_no_markup_through(
    found: list[tuple[str, int]],
) -> None:
    drawn = plots.bars(
        "<script>", [plots.Bar(label=text, value=Decimal(n), shown=text) for text, n in found]
    )

    assert "<script>" not in drawn
    assert drawn.count("<rect") == len(found)
    assert "NaN" not in drawn
    assert 'y="-' not in drawn
