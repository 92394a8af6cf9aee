"""A bar's data directory: where what lies, who holds it, and where its servers listen."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pourline.local.errors import UnavailableError


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Where a running bar listens; None stands for a server that the environment names."""

    pid: int
    http_host: str
    http_port: int
    http_url: str
    mqtt_url: str | None
    nats_url: str | None
    postgres_port: int | None
    foreign_mqtt_url: str | None = None
    """Where devices connect when that is a broker of the bar's own, without credentials."""


class DataDir:
    """One bar's folder. Others may pass through it (PostgreSQL's account must) but read nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.secrets = self.root / "secrets.json"
        self.postgres = self.root / "postgres"
        self.nats = self.root / "nats"
        self.backup_note = self.root / "backup.json"
        """When the last backup of this folder was made, for whoever watches its age."""
        self._run = self.root / "run.json"
        self._lock = self.root / "lock"

    def create(self) -> None:
        """Make the folder if it is missing; raises UnavailableError when that is not possible."""
        try:
            if not self.root.exists():
                self.root.mkdir(parents=True)
                self.root.chmod(0o711)
            (self.root / "log").mkdir(mode=0o700, exist_ok=True)
            self.nats.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"cannot use {self.root} as data directory: {error.strerror}"
            ) from error

    def log(self, name: str) -> Path:
        """Return where a process writes what it says."""
        return self.root / "log" / f"{name}.log"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder alone; raises UnavailableError while another process does."""
        self.create()
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnavailableError(f"cannot write in {self.root}: {error.strerror}") from error
        try:
            self._take(descriptor)
            yield
        finally:
            os.close(descriptor)

    @property
    def was_left_running(self) -> bool:
        """Whether the last bar here was killed: it did not take its notes with it."""
        return self._run.exists()

    @contextmanager
    def running(self, facts: RunFacts) -> Iterator[None]:
        """Tell the other commands where this bar listens, for as long as it runs."""
        draft = self._run.with_suffix(".new")
        draft.write_text(json.dumps(asdict(facts), indent=2))
        draft.replace(self._run)
        try:
            yield
        finally:
            self._run.unlink(missing_ok=True)

    def backup_age_s(self, now_s: float) -> float | None:
        """Return how old the last backup is that was made from here; None where none was."""
        try:
            return max(0.0, now_s - float(json.loads(self.backup_note.read_text())["made_at_s"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def facts(self) -> RunFacts | None:
        """Return where the bar in this folder listens, None when none runs."""
        if not self._is_held():
            return None
        try:
            return RunFacts(**json.loads(self._run.read_text()))
        except FileNotFoundError:
            return None

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(f"another command already runs in {self.root}") from error

    def _is_held(self) -> bool:
        try:
            with self._lock.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False
