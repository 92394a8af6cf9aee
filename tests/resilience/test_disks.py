"""No room on a disk: nobody is told what is not so, and with room again everything is answered."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from pourline.testkit.resilience.disks import FillDisk, SmallDisk, small_disk
from pourline.testkit.resilience.faults import Fault
from pourline.testkit.resilience.run import play
from pourline.testkit.resilience.schedule import WRITTEN, Schedule, Step
from pourline.testkit.resilience.world import Kind, open_world

pytestmark = pytest.mark.long_resilience

FULL_S = 12.0
FOLDERS = {"nats-server": "nats", "postgres": "postgres"}


def evening(faults: Sequence[Fault]) -> Schedule:
    """Return an evening in which one disk after another is full, and all of them at once."""
    steps = [
        Step(at_s=1.0 + 2.0 * number, duration_s=FULL_S, fault=fault)
        for number, fault in enumerate(faults)
    ]
    return Schedule(seed=WRITTEN + 200, kind=Kind.OWN, steps=steps)


@pytest.mark.parametrize(
    "targets",
    [["nats-server"], ["postgres"], ["controllers"], ["controllers", "postgres", "nats-server"]],
    ids="-and-".join,
)
async def test_full_disks_lose_nothing_and_need_no_repair(
    targets: list[str], tmp_path: Path
) -> None:
    root = tmp_path / "bar"
    root.mkdir()
    root.chmod(0o711)  # PostgreSQL's own account must pass
    with contextlib.ExitStack() as mounted:
        disks: dict[str, SmallDisk | None] = {
            name: mounted.enter_context(small_disk(root / folder))
            for name, folder in FOLDERS.items()
            if name in targets
        }
        async with open_world(tmp_path, Kind.OWN) as world:
            faults = [FillDisk(name, disk=disks.get(name)) for name in targets]
            outcome = await play(world, evening(faults))

    assert outcome.is_right, str(outcome)
    assert [one.target for one in outcome.served if one.again_after_s is None] == []
