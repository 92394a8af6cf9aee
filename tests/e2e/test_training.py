"""A planned evening at a real bar: everything that goes wrong is seen, and the books are right."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pourline.controller.settings import BarAddress
from pourline.controller.simulator.training import Training, train
from pourline.testkit.bar import RunningBar, bar_of_a_suite

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("training")]

EVENING = Training(seed=7, minutes=40, speed=60, taps=4, guests=12)


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    """A bar of its own, that verifies at the end."""
    with bar_of_a_suite(tmp_path_factory.mktemp("training")) as bar:
        yield bar


async def test_a_planned_evening_runs_at_a_real_bar_and_every_view_has_life(
    bar: RunningBar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = BarAddress(
        http_url=bar.base_url,
        mqtt_url=bar.mqtt_url,
        token=await bar.token(level=5),
        data_dir=tmp_path,
    )

    assert await train(EVENING, address) == 0

    assert "unanswered 0" in capsys.readouterr().out
    kinds = {one["kind"] for one in (await bar.get("/api/alerts", limit="1000"))["items"]}
    assert {"lost_card_used", "keg_low", "keg_empty", "device_offline", "ghost_pour"} <= kinds
    pours = (await bar.get("/api/pours", limit="1000"))["items"]
    assert len([one for one in pours if one["volume_ml"] > 0]) >= EVENING.guests
    assert (await bar.get("/api/shifts/current"))["figures"]["pours"] > 0
    assert (await bar.get("/api/visits/active"))["items"] == []
    said = [one["action"] for one in (await bar.get("/api/audit", limit="1000"))["items"]]
    assert {"tap_stopped", "tap_resumed"} <= set(said)
