"""When a notification is tried again, and when a person must look."""

from datetime import timedelta

from pourline.pos_adapter.domain.notifications import (
    LONGEST_WAIT,
    TRIES_MAX,
    Status,
    status_after_refusal,
    wait_before,
)


def test_waits_grow_and_have_an_end() -> None:
    waits = [wait_before(number) for number in range(2, TRIES_MAX + 3)]

    assert waits[:3] == [timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=45)]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT


def test_after_the_last_try_a_notification_has_failed() -> None:
    assert status_after_refusal(TRIES_MAX - 1) is Status.QUEUED
    assert status_after_refusal(TRIES_MAX) is Status.FAILED
