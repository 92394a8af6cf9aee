import pytest
from pourline.controller.domain import Backoff
from pourline.controller.link import RECONNECT

SCHEDULE = Backoff(first_s=2.0, cap_s=30.0, seed="tap-1")


@pytest.mark.requirement("SY-2")
def test_the_same_seed_and_pour_give_the_same_pauses() -> None:
    again = Backoff(first_s=2.0, cap_s=30.0, seed="tap-1")
    pauses = [SCHEDULE.delay_s(attempt, "pour") for attempt in range(1, 9)]
    assert pauses == [again.delay_s(attempt, "pour") for attempt in range(1, 9)]
    assert pauses != [SCHEDULE.delay_s(attempt, "another") for attempt in range(1, 9)]


@pytest.mark.parametrize(
    ("attempt", "least_s", "most_s"),
    [(1, 2.0, 2.5), (2, 4.0, 5.0), (3, 8.0, 10.0), (4, 16.0, 20.0), (5, 24.0, 30.0), (999, 24, 30)],
)
def test_pauses_double_up_to_a_cap_with_a_jitter_of_a_quarter(
    attempt: int, least_s: float, most_s: float
) -> None:
    for key in map(str, range(50)):
        assert least_s <= SCHEDULE.delay_s(attempt, key) <= most_s


def test_a_thousand_pauses_fill_the_jitter_evenly() -> None:
    shares = [(SCHEDULE.delay_s(1, str(key)) / 2.0 - 1) * 4 for key in range(1_000)]
    counts = [sum(low <= share < low + 0.25 for share in shares) for low in (0, 0.25, 0.5, 0.75)]
    assert sum(counts) == 1_000
    assert all(200 <= count <= 300 for count in counts)


def test_taps_with_different_seeds_never_fall_into_step() -> None:
    taps = [Backoff(first_s=2.0, cap_s=30.0, seed=f"tap-{number}") for number in range(50)]
    for attempt in range(1, 10):
        assert len({tap.delay_s(attempt, "pour") for tap in taps}) == 50


def test_reconnects_are_jittered_by_the_name_of_the_client() -> None:
    names = [f"tap-{number}" for number in range(50)]
    first = [RECONNECT.delay_s(5, name) for name in names]
    assert first == [RECONNECT.delay_s(5, name) for name in names]
    assert len(set(first)) == 50
