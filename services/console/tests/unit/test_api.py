"""Bodies read exactly and logins counted."""

from datetime import UTC, datetime

import pytest
from pourline.console.api.bodies import UnreadableBodyError, fields_of, wire
from pourline.console.api.limits import (
    ACCOUNT_LOGINS_MAX,
    ADDRESS_LOGINS_MAX,
    LOGINS_MAX,
    NAMES_MAX,
    WINDOW,
    FailureLimit,
    LoginLimit,
)
from pourline.console.errors import TooOften
from pourline.testkit.clock import FakeClock

WHO = ("anna", "127.0.0.1")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"volume_ml":1.00049999999999999999999}',
        b'{"volume_ml":1.5,"pulses":123456789012345678901234567890}',
        b'{"volume_ml":1.5,"name":"0.00000000000000000001"}',
        b'{"deep":' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
def test_a_body_goes_on_digit_by_digit(raw: bytes) -> None:
    assert wire(fields_of(raw)) == raw


def test_a_null_is_left_out() -> None:
    assert fields_of(b'{"note":null,"amount":5}') == {"amount": 5}


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"5", b"null", b"\xff", b'{"a":NaN}', b'{"a":"\\ud800"}', b"[" * 5000]
    + [
        b'{"n":1.00000000000000000001,"a":' + b"[" * depth + b"]" * depth + b"}"
        for depth in (300, 1000)
    ],
)
def test_what_is_no_object_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableBodyError):
        fields_of(raw)


def test_failed_logins_are_held_off_for_a_window_and_no_longer() -> None:
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    limit = FailureLimit(clock=clock, tries_max=LOGINS_MAX)
    for _ in range(LOGINS_MAX):
        limit.take(WHO)
    with pytest.raises(TooOften):
        limit.take(WHO)
    limit.take(("ben", "127.0.0.1"))
    limit.take(("anna", "10.0.0.2"))
    clock.advance(seconds=WINDOW.total_seconds() - 1)
    with pytest.raises(TooOften):
        limit.take(WHO)
    clock.advance(seconds=1)
    limit.take(WHO)


def test_logins_that_succeed_are_not_counted() -> None:
    limit = FailureLimit(clock=FakeClock(), tries_max=LOGINS_MAX)
    for _ in range(LOGINS_MAX * 3):
        limit.take(WHO)
        limit.give_back(WHO)


def test_the_names_counted_are_bounded() -> None:
    limit = FailureLimit(clock=FakeClock(), tries_max=LOGINS_MAX)
    for _ in range(LOGINS_MAX):
        limit.take(WHO)
    for number in range(NAMES_MAX):
        limit.take((f"guess {number}", "10.0.0.1"))
    limit.take(WHO)


def test_guessing_is_held_off_by_account_from_everywhere_and_by_address_for_everybody() -> None:
    limit = LoginLimit(clock=FakeClock())
    for number in range(ACCOUNT_LOGINS_MAX):
        limit.take(("anna", f"10.0.0.{number}"))
    with pytest.raises(TooOften):
        limit.take(("anna", "10.0.1.1"))
    for number in range(ADDRESS_LOGINS_MAX):
        limit.take((f"guess {number}", "10.0.2.1"))
    with pytest.raises(TooOften):
        limit.take(("ben", "10.0.2.1"))
    limit.take(("ben", "10.0.2.2"))
