"""One bar that is attacked, with secrets in its environment that no log may ever hold."""

from collections.abc import Iterator

import pytest
from pourline.testkit.attacks import PLANTED
from pourline.testkit.bar import RunningBar, bar_of_a_suite


@pytest.fixture(scope="session")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    with bar_of_a_suite(tmp_path_factory.mktemp("bar"), PLANTED) as bar:
        yield bar
