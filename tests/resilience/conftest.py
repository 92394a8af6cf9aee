"""Two workers or three are all at work until the end when what takes longest begins first."""

import pytest

LONG_FIRST = ("test_seeds", "test_machines", "test_named_servers", "test_senders")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that take longest first; all else stays in its order."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return LONG_FIRST.index(name) if name in LONG_FIRST else len(LONG_FIRST)

    items.sort(key=place)
