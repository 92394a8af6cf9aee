"""What a service is told by its environment."""

from pathlib import Path

import pytest
from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """A service with a switch of its own."""

    verify: bool = True


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VERIFY", "DATABASE_POOL_MAX", "LOG_LEVEL"):
        monkeypatch.setenv(name, "")

    settings = Settings(service="shift")

    assert (settings.verify, settings.database_pool_max, settings.log_level) == (True, 8, "INFO")


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("nats://bus:4222\n")
    monkeypatch.setenv("NATS_URL_FILE", str(tmp_path / "secret"))

    assert Settings(service="shift").nats_url == "nats://bus:4222"
