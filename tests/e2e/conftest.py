"""One bar for the whole suite: its tests use taps and guests of their own."""

from collections.abc import Iterator

import pytest
from pourline.testkit.bar import RunningBar, bar_of_a_suite


@pytest.fixture(scope="session")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    with bar_of_a_suite(tmp_path_factory.mktemp("bar")) as bar:
        yield bar
