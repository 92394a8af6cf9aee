"""Which keg lost a pour: decided by when it began, never by when it was heard of."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.keg_fifo.domain import (
    Connection,
    KegStatus,
    keg_at,
    status_after_disconnect,
    take_from_keg,
)
from pourline.kit.ids import new_id

EIGHT = datetime(2026, 5, 1, 20, tzinfo=UTC)
MINUTES = st.lists(st.integers(0, 600), min_size=1, max_size=8, unique=True).map(sorted)
VOLUMES = st.decimals(min_value=0, max_value=10**9, places=3, allow_nan=False)


def history_of(minutes: list[int]) -> list[Connection]:
    return [
        Connection(keg_id=new_id(), connected_at=EIGHT + timedelta(minutes=minute))
        for minute in minutes
    ]


@pytest.mark.requirement("KG-3")
@given(minutes=MINUTES, began=st.integers(-60, 700))
def test_a_pour_belongs_to_the_keg_that_was_on_when_it_began(
    minutes: list[int], began: int
) -> None:
    history = history_of(minutes)
    at = EIGHT + timedelta(minutes=began)

    found = keg_at(history, at)

    owners = [
        older.keg_id
        for older, newer in pairwise([*history, None])
        if older and older.connected_at <= at and (newer is None or at < newer.connected_at)
    ]
    assert found == (owners[0] if owners else history[0].keg_id)
    assert len(owners) <= 1


def test_a_tap_that_never_had_a_keg_loses_none() -> None:
    assert keg_at([], EIGHT) is None


@given(held=VOLUMES, poured=VOLUMES)
def test_what_a_keg_cannot_give_is_a_shortfall_and_nothing_is_lost(
    held: Decimal, poured: Decimal
) -> None:
    taken = take_from_keg(held, poured)

    assert taken.taken_ml + taken.shortfall_ml == poured
    assert 0 <= taken.taken_ml <= held
    assert taken.shortfall_ml == 0 or taken.taken_ml == held


@pytest.mark.parametrize(
    ("remaining_ml", "status"),
    [("0", KegStatus.EMPTY), ("0.001", KegStatus.IN_STOCK), ("50000", KegStatus.IN_STOCK)],
)
def test_a_swapped_out_keg_is_empty_only_at_nothing(remaining_ml: str, status: KegStatus) -> None:
    assert status_after_disconnect(Decimal(remaining_ml)) is status
