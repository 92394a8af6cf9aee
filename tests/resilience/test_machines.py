"""A bar on three machines goes on when any one of them is lost."""

from pathlib import Path

import pytest
from pourline.testkit.resilience.cluster import MACHINES, everyone_once, open_cluster
from pourline.testkit.resilience.run import play

pytestmark = pytest.mark.resilience


async def test_any_one_machine_may_be_lost_under_load(tmp_path: Path) -> None:
    async with open_cluster(tmp_path) as (cluster, world):
        outcome = await play(world, everyone_once(cluster))

        assert outcome.is_right, str(outcome)
        assert len(outcome.served) == MACHINES
        assert all(one.again_after_s is not None for one in outcome.served)
