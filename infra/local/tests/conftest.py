from collections.abc import Iterator
from pathlib import Path

import pytest
from pourline.local import credentials
from pourline.local.credentials import Secrets
from pourline.local.paths import DataDir


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "bar")


@pytest.fixture
def bar_secrets(data_dir: DataDir) -> Secrets:
    return credentials.load_or_make(data_dir)


@pytest.fixture
def claimed(data_dir: DataDir) -> Iterator[DataDir]:
    with data_dir.claimed():
        yield data_dir
