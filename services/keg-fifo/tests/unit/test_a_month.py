"""A month with known faults: what must be found is found, and little is told for nothing."""

import pytest
from pourline.testkit import month


@pytest.mark.requirement("SP-11")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_leak_is_found_and_a_week_has_at_most_one_false_alarm(seed: int) -> None:
    outcome = month.play(seed)

    assert [fault.name for fault in outcome.missed] == []
    assert sum(fault.name.startswith("leak") for fault in outcome.found) == month.LEAKS
    assert len(outcome.false_alarms) <= month.DAYS / 7
