"""Of two instances that may send mail one does, and the other goes on when it is killed."""

from pathlib import Path

import pytest
from pourline.testkit.resilience.letters import write_letters

pytestmark = pytest.mark.resilience

KILLS = 2


@pytest.mark.requirement("AL-4", "AL-5")
async def test_every_alert_is_mailed_whatever_the_server_does_and_whoever_is_killed(
    tmp_path: Path,
) -> None:
    letters = await write_letters(tmp_path, kills=KILLS)

    assert letters.lost == []
    assert letters.doubled == []
    assert set(letters.statuses) == {"sent"}
    assert len(letters.takeovers_s) == KILLS
    # Each sender died with a mail in hand: its successor gave the same one again.
    keys = [key for key, _ in letters.given]
    assert len(keys) - len(set(keys)) >= KILLS
