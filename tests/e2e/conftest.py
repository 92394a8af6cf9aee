"""One bar for the whole suite: its tests use taps and guests of their own."""

import asyncio
from collections.abc import Iterator

import pytest
from pourline.testkit.bar import RunningBar


@pytest.fixture(scope="session")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    bar = RunningBar(tmp_path_factory.mktemp("bar"))
    with asyncio.Runner() as runner:
        runner.run(bar.start())
        yield bar
        code, text = runner.run(bar.run("verify"))
        assert runner.run(bar.stop()) == 0
    assert code == 0, text
