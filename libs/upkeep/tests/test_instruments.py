"""Counters and histograms add up, whatever is counted, and stay bounded."""

from collections import Counter as Tally

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.upkeep.catalogue import ANSWER_BOUNDS_S
from pourline.upkeep.instruments import SERIES_MAX, Instruments

STATUSES = st.sampled_from(["accepted", "held", "duplicate"])


@given(st.lists(st.tuples(STATUSES, st.integers(1, 500))))
def test_a_counter_is_the_sum_of_what_was_counted(batches: list[tuple[str, int]]) -> None:
    instruments = Instruments()
    counter = instruments.counter("pourline_pours_answered_total")
    for status, count in batches:
        counter.add(status, by=count)

    wanted: Tally[str] = Tally()
    for status, count in batches:
        wanted[status] += count
    told = {one.labels["status"]: one.value for one in instruments.samples()}
    assert told == wanted


@given(st.lists(st.lists(st.floats(-1, 100))))
def test_every_observation_falls_into_one_bucket(batches: list[list[float]]) -> None:
    instruments = Instruments()
    took = instruments.histogram("pourline_pour_answer_seconds")
    for batch in batches:
        took.observe(batch)

    seen = [max(0.0, one) for batch in batches for one in batch]
    for spread in instruments.distributions():
        assert sum(spread.counts) == len(seen)
        assert spread.total == pytest.approx(sum(seen), abs=1e-5)
        for number, bound in enumerate(ANSWER_BOUNDS_S):
            assert sum(spread.counts[: number + 1]) == sum(one <= bound for one in seen)


def test_a_name_that_is_not_in_the_catalogue_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Instruments().counter("pourline_guests_by_name_total")


def test_labels_without_end_do_not_fill_the_memory() -> None:
    instruments = Instruments()
    counter = instruments.counter("pourline_pours_answered_total")
    for number in range(SERIES_MAX * 2):
        counter.add(f"status {number}")

    assert len(instruments.samples()) == SERIES_MAX
