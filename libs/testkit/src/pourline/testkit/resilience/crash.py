"""A controller's life that ends at one of its awaits: the child's side.

The harness forks a process for each life. Its event loop counts the steps of all tasks and is
killed by signal 9 at the step that the life names. With copies, the store's files are put aside
after each commit: what the disk has promised, should the power go with the process.
"""

import asyncio
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pourline.controller.domain import Flow, Grant, Phase, Pour
from pourline.controller.link import Broker
from pourline.controller.settings import TapConfig
from pourline.controller.store import Seen
from pourline.testkit.resilience.controllers import BACKOFF, RULES, Drinkers, WitnessedStore

LIFE_S: Final = 30.0
LOOK_S: Final = 0.02
SLOW_DISK_S: Final = 0.03
"""A commit takes this long more, so that whoever does not wait for it is seen."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """One card, one pour, its answer; killed at a step, or at the end of everything at 0."""

    folder: Path
    tap_id: str
    secret: str
    mqtt_url: str
    card_uid: str
    volume_ml: int
    kill_at: int = 0
    keeps_copies: bool = False

    @property
    def store(self) -> Path:
        """The controller's file."""
        return self.folder / "tap.db"

    @property
    def copies(self) -> Path:
        """Where the copies are, a numbered folder each."""
        return self.folder / "copies"

    @property
    def events(self) -> Path:
        """What could be seen from outside, and when: a JSON line each."""
        return self.folder / "events"

    @property
    def steps(self) -> Path:
        """How many steps a life took that was not killed."""
        return self.folder / "steps"

    def config(self) -> TapConfig:
        """Return the controller's configuration."""
        broker = Broker.parse(self.mqtt_url)
        return TapConfig(
            tap_id=self.tap_id, secret=self.secret, broker=broker, rules=RULES, backoff=BACKOFF
        )


class Counter:
    """A task factory that counts the steps of all its tasks and ends the process at one."""

    def __init__(self, kill_at: int) -> None:
        self.steps = 0
        self._kill_at = kill_at

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        **options: Any,  # noqa: ANN401 asyncio's own
    ) -> asyncio.Task[Any]:
        """Make a task whose steps are counted."""
        assert isinstance(coroutine, Coroutine)
        return asyncio.Task(_Counted(coroutine, self._count), loop=loop, **options)

    def _count(self) -> None:
        self.steps += 1
        if self.steps == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class _Counted(Coroutine[Any, Any, Any]):
    """A coroutine that tells before each of its steps."""

    def __init__(self, inner: Coroutine[Any, Any, Any], count: Callable[[], None]) -> None:
        self._inner = inner
        self._count = count

    def send(self, value: Any) -> Any:  # noqa: ANN401 as a coroutine's
        self._count()
        return self._inner.send(value)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        error: BaseException | object = None,
        trace: TracebackType | None = None,
    ) -> Any:  # noqa: ANN401 as a coroutine's
        del error, trace
        self._count()
        return self._inner.throw(kind if isinstance(kind, BaseException) else kind())

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


class CopyingStore(WitnessedStore):
    """A slow store that copies its files after each commit, before anybody hears of it."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._turn = threading.Lock()
        self._copied = 0
        super().__init__(life.store)
        life.copies.mkdir()
        self._copy()

    def open_grant(self, grant: Grant, seen: Seen) -> None:
        """Store a grant, copy."""
        with self._turn:
            time.sleep(SLOW_DISK_S)
            super().open_grant(grant, seen)
            self._copy()

    def note_flow(self, grant_id: str, flow: Flow, seen: Seen, *, lifetime_pulses: int) -> None:
        """Note a flow, copy."""
        with self._turn:
            time.sleep(SLOW_DISK_S)
            super().note_flow(grant_id, flow, seen, lifetime_pulses=lifetime_pulses)
            self._copy()

    def end_grant(self, pour: Pour, *, lifetime_pulses: int) -> Pour:
        """Store a pour, copy."""
        with self._turn:
            time.sleep(SLOW_DISK_S)
            stored = super().end_grant(pour, lifetime_pulses=lifetime_pulses)
            self._copy()
            return stored

    def forget(self, client_tx_ids: Iterable[str]) -> None:
        """Forget pours, copy."""
        with self._turn:
            time.sleep(SLOW_DISK_S)
            super().forget(client_tx_ids)
            self._copy()

    def _copy(self) -> None:
        """Put the files aside: complete, or not at all."""
        self._copied += 1
        at_s = time.monotonic()
        draft = self._life.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        for name in ("tap.db", "tap.db-wal"):
            shutil.copyfile(self._life.folder / name, draft / name)
        (draft / "at_s").write_text(str(at_s))
        draft.rename(self._life.copies / f"{self._copied:04}")


class Watched(Drinkers):
    """A tap that tells when its valve opens."""

    def __init__(self, life: Life, store: WitnessedStore) -> None:
        super().__init__(life.config(), (life.card_uid,), store)
        self._events = life.events

    def opened(self, tap_id: str, grant: Grant) -> None:
        """Tell of the valve, which has just opened."""
        with self._events.open("a") as events:
            events.write(json.dumps([time.monotonic(), grant.grant_id]) + "\n")
        super().opened(tap_id, grant)


def live(life: Life) -> None:
    """Live it, in a process of its own; returns only when the life was not to be killed."""
    counter = Counter(life.kill_at)
    with asyncio.Runner() as runner:
        runner.run(_live(life, counter))
    life.steps.write_text(str(counter.steps))


async def _live(life: Life, counter: Counter) -> None:
    store = CopyingStore(life) if life.keeps_copies else WitnessedStore(life.store)
    tap = Watched(life, store)
    loop = asyncio.get_running_loop()
    loop.set_task_factory(counter)
    running = loop.create_task(tap.controller.run())
    async with asyncio.timeout(LIFE_S / 2):
        await tap.controller.link.connected.wait()
        await tap.drink(life.card_uid, Decimal(life.volume_ml))
        while not _is_over(tap):  # noqa: ASYNC110 - the controller's own state
            await asyncio.sleep(LOOK_S)
    loop.set_task_factory(None)
    running.cancel()
    await asyncio.wait([running])
    tap.executor.shutdown()
    store.close()


def _is_over(tap: Drinkers) -> bool:
    return tap.controller.phase is Phase.IDLE and tap.is_settled
