"""First in, first out, and what pulses are in an item's unit."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.keg_fifo.domain import (
    Batch,
    Calibration,
    Need,
    Unit,
    calibration_at,
    default_event_id,
    in_unit,
    is_signed,
    must_be_signed,
    poured_ml,
    take_first_in_first_out,
)
from pourline.kit.ids import new_id

DEVICE = new_id()
AT = datetime(2026, 5, 1, 20, tzinfo=UTC)
QUANTITIES = st.lists(
    st.decimals(min_value=0, max_value=10_000, places=6, allow_nan=False), max_size=8
)
VOLUMES = st.decimals(min_value=0, max_value=10**9, places=3, allow_nan=False)


def batches_of(quantities: list[Decimal]) -> list[Batch]:
    return [Batch(id=new_id(), remaining=quantity) for quantity in quantities]


def needs_of(quantities: list[Decimal]) -> list[Need]:
    return [
        Need(device_id=DEVICE, event_id=str(number), quantity=quantity)
        for number, quantity in enumerate(quantities)
    ]


@pytest.mark.requirement("SP-5")
@given(held=QUANTITIES, wanted=QUANTITIES)
def test_stock_leaves_the_oldest_batch_first_and_nothing_is_lost(
    held: list[Decimal], wanted: list[Decimal]
) -> None:
    batches, needs = batches_of(held), needs_of(wanted)

    consumption = take_first_in_first_out(batches, needs)

    taken = dict.fromkeys((batch.id for batch in batches), Decimal(0))
    for one in consumption.takings:
        assert one.quantity > 0
        taken[one.batch_id] += one.quantity
    short = sum((one.quantity for one in consumption.shortfalls), Decimal(0))
    assert sum(taken.values(), short) == sum(wanted)
    assert all(taken[batch.id] <= batch.remaining for batch in batches)
    assert short == 0 or all(taken[batch.id] == batch.remaining for batch in batches)
    order = [batch.id for batch in batches]
    touched = [order.index(one.batch_id) for one in consumption.takings]
    assert touched == sorted(touched)
    assert all(taken[batch.id] == batch.remaining for batch in batches[: max(touched, default=0)])


@given(held=QUANTITIES, wanted=QUANTITIES)
def test_one_by_one_takes_the_same_as_together(held: list[Decimal], wanted: list[Decimal]) -> None:
    batches = batches_of(held)
    together = take_first_in_first_out(batches, needs_of(wanted))

    left = {batch.id: batch.remaining for batch in batches}
    takings = []
    for need in needs_of(wanted):
        standing = [Batch(id=batch.id, remaining=left[batch.id]) for batch in batches]
        for one in take_first_in_first_out(standing, [need]).takings:
            left[one.batch_id] -= one.quantity
            takings.append(one)

    assert takings == list(together.takings)


@pytest.mark.requirement("SP-4")
@given(
    pulses=st.integers(min_value=0, max_value=10**9),
    factor=st.decimals(min_value=0, max_value=1000, places=6, allow_nan=False),
)
def test_pulses_become_millilitres_exactly_to_three_decimals(pulses: int, factor: Decimal) -> None:
    volume_ml = poured_ml(pulses, factor)

    micro = pulses * int(factor * 10**6)
    assert int(volume_ml * 1000) == (micro + 500) // 1000


@pytest.mark.requirement("SP-5")
@given(volume_ml=VOLUMES)
def test_millilitres_and_litres_convert_without_loss(volume_ml: Decimal) -> None:
    assert in_unit(volume_ml, Unit.ML) == volume_ml
    litres = in_unit(volume_ml, Unit.LTR)
    assert litres * 1000 == volume_ml
    assert litres == litres.quantize(Decimal("0.000001"))


def test_what_is_counted_has_no_volume() -> None:
    with pytest.raises(ValueError, match="counted"):
        in_unit(Decimal(1), Unit.EACH)


def test_a_pour_meets_the_calibration_of_its_time_else_the_first() -> None:
    old, new = (
        Calibration(item_id=new_id(), ml_per_pulse=Decimal(factor), effective_from=AT + wait)
        for factor, wait in ((1, timedelta()), (2, timedelta(hours=1)))
    )

    assert calibration_at([old, new], AT + timedelta(minutes=59)) == old
    assert calibration_at([old, new], AT + timedelta(hours=1)) == new
    assert calibration_at([old, new], AT - timedelta(days=1)) == old
    assert calibration_at([], AT) is None


def test_the_default_id_is_the_same_for_a_blind_repeat_only() -> None:
    first = default_event_id(DEVICE, AT, 0, 60)

    assert default_event_id(DEVICE, AT.astimezone(), 0, 60) == first
    assert (
        len({first, default_event_id(DEVICE, AT, 1, 60), default_event_id(DEVICE, AT, 0, 61)}) == 3
    )


@pytest.mark.requirement("SP-3")
def test_a_signature_fits_under_any_valid_secret_and_no_other() -> None:
    message = b"v1:device:event:0:60:"
    signature = hmac.new(b"ab" * 32, message, hashlib.sha256).hexdigest()

    assert is_signed(message, signature, ["new", "ab" * 32])
    assert not is_signed(message + b"x", signature, ["ab" * 32])
    assert not is_signed(message, signature.upper(), ["ab" * 32])
    assert not is_signed(message, None, ["ab" * 32])
    assert not is_signed(message, "é", ["ab" * 32])


@pytest.mark.requirement("SP-3")
def test_verification_is_on_and_the_demo_excepts_its_own_devices_only() -> None:
    assert must_be_signed("SANDBOX", verify=True, verify_sandbox=True)
    assert not must_be_signed("SANDBOX", verify=True, verify_sandbox=False)
    assert must_be_signed("Berg", verify=True, verify_sandbox=False)
    assert not must_be_signed("Berg", verify=False, verify_sandbox=True)
