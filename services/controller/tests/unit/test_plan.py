from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.controller.simulator.plan import Act, Plan, plan_evening

SEEDS = st.integers(min_value=0, max_value=2**32)


def evening(seed: int) -> Plan:
    return plan_evening(seed=seed, minutes=60, taps=6, guests=24)


@given(seed=SEEDS)
def test_the_same_seed_tells_the_same_evening(seed: int) -> None:
    assert evening(seed) == evening(seed)


def test_another_seed_tells_another_evening() -> None:
    assert evening(1) != evening(2)


@given(seed=SEEDS)
def test_everything_that_can_go_wrong_does_once(seed: int) -> None:
    acts = Counter(step.act for step in evening(seed).steps)

    troubles = (Act.FOAM, Act.LOSE_CARD, Act.LINK_DOWN, Act.LINK_UP, Act.LEAK)
    assert [acts[one] for one in troubles] == [1, 1, 1, 1, 1]
    assert acts[Act.ARRIVE] == 24


@given(seed=SEEDS)
def test_guests_drink_only_while_they_are_there(seed: int) -> None:
    plan = evening(seed)
    came = {step.guest: step.at_s for step in plan.steps if step.act is Act.ARRIVE}
    left = {step.guest: step.at_s for step in plan.steps if step.act is Act.LEAVE}

    for step in plan.steps:
        if step.act is Act.POUR:
            assert came[step.guest] < step.at_s < left.get(step.guest, 3_600)
    assert list(plan.steps) == sorted(plan.steps)


@given(seed=SEEDS)
def test_one_keg_holds_less_than_is_wanted_of_it(seed: int) -> None:
    plan = evening(seed)
    wanted: Counter[int] = Counter()
    for step in plan.steps:
        if step.act is Act.POUR:
            wanted[step.tap] += step.volume_ml

    assert [tap for tap, keg_ml in enumerate(plan.kegs_ml) if keg_ml < wanted[tap]]


@given(seed=SEEDS)
def test_friends_come_together(seed: int) -> None:
    plan = evening(seed)
    came = {step.guest: step.at_s for step in plan.steps if step.act is Act.ARRIVE}
    groups: dict[int, list[int]] = {}
    for guest, person in enumerate(plan.people):
        groups.setdefault(person.group, []).append(came[guest])

    assert all(max(times) - min(times) <= 45 for times in groups.values())


@pytest.mark.parametrize(("taps", "guests"), [(1, 1), (2, 40)])
def test_a_small_or_a_crowded_bar_has_an_evening_too(taps: int, guests: int) -> None:
    plan = plan_evening(seed=3, minutes=10, taps=taps, guests=guests)

    assert len(plan.kegs_ml) == taps
    assert all(step.tap < taps for step in plan.steps)
