"""A bar behind a Mosquitto of its own, and what its guests and staff do there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pourline.testkit.behind_a_broker import BarBehindABroker
from pourline.testkit.mosquitto import Mosquitto

TEMPLATE = Path(__file__).parents[2] / "infra" / "mosquitto"


@pytest.fixture(scope="module", params=["5", "3.1.1"])
def version(request: pytest.FixtureRequest) -> str:
    """The MQTT that the bridge speaks, and in the main flow the devices too."""
    return str(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, version: str) -> Iterator[BarBehindABroker]:
    folder = tmp_path_factory.mktemp("behind")
    broker = Mosquitto(folder / "mosquitto", template=TEMPLATE)
    place = BarBehindABroker(folder / "bar", broker=broker, version=version)
    with asyncio.Runner() as runner:
        runner.run(place.start())
        try:
            yield place
            runner.run(place.bar.verified())
        finally:
            runner.run(place.stop())
