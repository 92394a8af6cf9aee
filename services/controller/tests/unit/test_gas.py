"""A keg that blows empty: gas runs many times faster than beer, and the valve shuts for it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.controller.domain import (
    GAS,
    Allowed,
    CardShown,
    CloseValve,
    EndGrant,
    Event,
    Flow,
    GasRules,
    Grant,
    GrantStored,
    Metered,
    Phase,
    PourStored,
    Rules,
    Tap,
    step,
)
from pourline.controller.domain.gas import GasWatch, is_gas, watched

RULES = Rules(ml_per_pulse=Decimal("0.5"), longest_pour_ms=10**9)
GRANT = Grant("g1", "q1", "04aa", Decimal(10**9))
SAMPLE_MS = 20
BEER, BLOWN = 4, 30
"""Pulses in a sample of 20 ms: 100 ml/s of beer, and gas."""


def opened(tap: Tap, now_ms: int) -> Tap:
    shown: tuple[Event, ...] = (CardShown("04aa", "q1"), Allowed(GRANT), GrantStored())
    for event in shown:
        tap, _ = step(tap, event, now_ms=now_ms, rules=RULES)
    return tap


def run(tap: Tap, now_ms: int, rates: list[int], pulses: int = 0) -> tuple[Tap, list[object], int]:
    """Meter one sample a rate; return the tap, what it wanted, and what had run when it shut."""
    effects: list[object] = []
    for rate in rates:
        now_ms, pulses = now_ms + SAMPLE_MS, pulses + rate
        tap, wanted = step(tap, Metered(Flow(pulses, now_ms)), now_ms=now_ms, rules=RULES)
        effects += wanted
        if wanted:
            break
    return tap, effects, pulses


@pytest.mark.requirement("KG-4")
def test_gas_shuts_the_valve_and_the_pour_ends_with_what_ran() -> None:
    tap, effects, ran = run(opened(Tap(), 0), 0, [BEER] * 200 + [BLOWN] * 100)
    assert effects == [CloseValve()]
    assert (tap.phase, tap.ended_by) == (Phase.SETTLING, GAS)
    assert ran < 200 * BEER + 45 * BLOWN, "less than a second of gas"

    tap, wanted = step(tap, Metered(tap.flow), now_ms=10_000, rules=RULES)

    [end] = wanted
    assert isinstance(end, EndGrant)
    assert (end.by, end.flow.pulses) == (GAS, ran)


@pytest.mark.requirement("KG-4")
def test_a_keg_that_blew_between_two_pours_is_noticed_at_the_next() -> None:
    tap, _, _ = run(opened(Tap(), 0), 0, [BEER] * 200)
    for now_ms in (20_000, 30_000):
        tap, _ = step(tap, Metered(tap.flow), now_ms=now_ms, rules=RULES)
    tap, _ = step(tap, PourStored(), now_ms=30_010, rules=RULES)
    assert tap.phase is Phase.IDLE

    tap, effects, _ = run(opened(tap, 40_000), 40_000, [BLOWN] * 100)

    assert (effects, tap.ended_by) == ([CloseValve()], GAS)


def test_a_tap_that_learnt_nothing_yet_lets_it_run() -> None:
    _, effects, _ = run(opened(Tap(), 0), 0, [BLOWN] * 300)

    assert effects == []


def test_a_multiple_of_nothing_never_looks() -> None:
    off, watch = GasRules(multiple=Decimal(0)), GasWatch()
    for now in range(0, 20_000, SAMPLE_MS):
        watch = watched(watch, now * now, now, off)

    assert not is_gas(watch, off)


@given(rates=st.lists(st.integers(0, 3 * BEER), min_size=200, max_size=600))
def test_beer_at_up_to_three_times_its_usual_rate_is_never_gas(rates: list[int]) -> None:
    rules, watch, pulses = GasRules(), GasWatch(), 0
    for number in range(200):
        pulses += BEER
        watch = watched(watch, pulses, number * SAMPLE_MS, rules)
    for number, rate in enumerate(rates):
        pulses += min(max(rate, BEER // 2), 3 * BEER)
        watch = watched(watch, pulses, (200 + number) * SAMPLE_MS, rules)
        assert not is_gas(watch, rules)


@given(before=st.integers(60, 400), rest=st.integers(0, 100), times=st.integers(6, 20))
def test_gas_at_six_times_the_usual_rate_is_told_within_a_second(
    before: int, rest: int, times: int
) -> None:
    rules, watch, pulses, now = GasRules(), GasWatch(), 0, 0
    for rate in [BEER] * (before + 100) + [0] * rest + [times * BEER] * 50:
        pulses, now = pulses + rate, now + SAMPLE_MS
        watch = watched(watch, pulses, now, rules)

    assert is_gas(watch, rules)
