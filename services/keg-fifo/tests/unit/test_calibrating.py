"""Several measured samples give one exact factor; a slip among them is found."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.keg_fifo.domain.calibrating import OUTLIER_SHARE, Measured, Sample, factor_of

FACTORS = st.decimals(min_value="0.01", max_value=50, places=4)
PULSES = st.integers(20, 5_000)
STEP = Decimal("0.000000000001")


def exact(factor: Decimal, pulses: int) -> Sample:
    return Sample(pulses=pulses, measured_ml=factor * pulses)


@pytest.mark.requirement("SP-2")
@given(factor=FACTORS, pulses=st.lists(PULSES, min_size=1, max_size=20))
def test_samples_that_agree_give_their_factor_exactly(factor: Decimal, pulses: list[int]) -> None:
    measured = factor_of([exact(factor, one) for one in pulses])

    assert measured == Measured(ml_per_pulse=factor, spread=Decimal(0), outliers=())


@given(
    samples=st.lists(
        st.tuples(PULSES, st.decimals(min_value=1, max_value=5_000, places=3)), min_size=1
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_factor_is_total_over_total_in_any_order_and_within_the_samples(
    samples: list[tuple[int, Decimal]], shuffle: object
) -> None:
    made = [Sample(pulses=pulses, measured_ml=ml) for pulses, ml in samples]
    measured = factor_of(made)
    shuffle.shuffle(made)  # type: ignore[attr-defined]

    total = sum((one.measured_ml for one in made), Decimal(0)) / sum(one.pulses for one in made)
    assert measured.ml_per_pulse == total.quantize(STEP, rounding=ROUND_HALF_UP)
    assert factor_of(made).ml_per_pulse == measured.ml_per_pulse
    own = [one.measured_ml / one.pulses for one in made]
    assert min(own) - STEP <= measured.ml_per_pulse <= max(own) + STEP


@given(
    factor=FACTORS,
    pulses=st.lists(PULSES, min_size=2, max_size=9),
    place=st.integers(0, 9),
    off=st.decimals(min_value="0.15", max_value=3, places=2),
)
def test_one_slip_among_samples_that_agree_is_named(
    factor: Decimal, pulses: list[int], place: int, off: Decimal
) -> None:
    samples = [exact(factor, one) for one in pulses]
    place = min(place, len(samples))
    samples.insert(place, exact(factor * (1 + off), 100))

    assert factor_of(samples).outliers == (place,)


@given(
    factor=FACTORS,
    near=st.lists(st.decimals(min_value="-0.04", max_value="0.04", places=3), min_size=1),
)
def test_reading_errors_of_four_percent_pass(factor: Decimal, near: list[Decimal]) -> None:
    samples = [exact(factor * (1 + one), 200) for one in near]

    assert factor_of(samples).outliers == ()
    assert Decimal("0.08") < OUTLIER_SHARE
