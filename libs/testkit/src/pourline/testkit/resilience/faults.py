"""What can go wrong: each fault is done to the world at its time, and undone.

A fault knows how it reads, not when it happens; `schedule` decides that from a seed.
"""

import asyncio
import contextlib
import random
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import psutil

from pourline.testkit.ending import end
from pourline.testkit.resilience.controllers import Controllers
from pourline.testkit.resilience.proxy import HALF_OPEN, Trouble, Way
from pourline.testkit.resilience.raw import RawTaps
from pourline.testkit.resilience.world import World
from pourline.testkit.until import until

DIES_WITHIN_S: Final = 5.0
REPLACED_WITHIN_S: Final = 45.0
SLICE_S: Final = 0.5


@dataclass(frozen=True)
class Scene:
    """What a fault may touch."""

    world: World
    controllers: Controllers
    raw: RawTaps


class Fault(ABC):
    """One thing that goes wrong, with what (`kind`) and with whom (`target`)."""

    kind: str
    target: str
    is_served_from_start = False
    """Whether being served again counts from the injection (a death) or from the healing."""

    def __str__(self) -> str:
        """Say what goes wrong with whom."""
        return f"{self.kind} {self.target}"

    @abstractmethod
    async def inject(self, scene: Scene) -> None:
        """Let it go wrong."""

    async def heal(self, scene: Scene) -> None:
        """Let it be right again."""
        del scene


@dataclass
class Kill(Fault):
    """A service or server is killed with signal 9; its supervisor starts it again."""

    target: str
    kind: str = "kill -9"
    is_served_from_start: bool = True

    async def inject(self, scene: Scene) -> None:
        """Kill it."""
        (await scene.world.process(self.target)).kill()


@dataclass
class Freeze(Fault):
    """A process and its children stand still (SIGSTOP) and go on (SIGCONT)."""

    target: str
    kind: str = "freeze"
    _stopped: list[psutil.Process] = field(default_factory=list, repr=False)

    async def inject(self, scene: Scene) -> None:
        """Stop it."""
        top = await scene.world.process(self.target)
        self._stopped = [top, *top.children(recursive=True)]
        _each(self._stopped, "suspend")

    async def heal(self, scene: Scene) -> None:
        """Let it go on, if nobody has replaced it."""
        del scene
        _each(self._stopped, "resume")


@dataclass
class Hang(Freeze):
    """A process stands still for ever: somebody must notice, and replace it."""

    kind: str = "hang"
    is_served_from_start: bool = True

    async def heal(self, scene: Scene) -> None:
        """Wait until the process was replaced."""
        hung = self._stopped[0]

        async def is_replaced() -> bool:
            try:
                return not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess:  # it ended between the two looks
                return True

        try:
            await until(is_replaced, within_s=REPLACED_WITHIN_S)
        finally:
            await super().heal(scene)


@dataclass
class Starve(Fault):
    """A service gets half of its time only: it stands still every other half second."""

    target: str
    kind: str = "starve"
    _slicing: asyncio.Task[None] | None = field(default=None, repr=False)

    async def inject(self, scene: Scene) -> None:
        """Begin to take its time away."""
        process = await scene.world.process(self.target)
        self._slicing = asyncio.create_task(_slice(process))

    async def heal(self, scene: Scene) -> None:
        """Give it all its time."""
        del scene
        if self._slicing:
            await end(self._slicing)


@dataclass
class Wipe(Fault):
    """nats-server dies, and all that it had stored is gone before it is back."""

    target: str = "nats-server"
    kind: str = "kill -9 and wipe"
    is_served_from_start: bool = True

    async def inject(self, scene: Scene) -> None:
        """Kill it and delete its store, while nobody can start it again."""
        world = scene.world
        server = await world.process(self.target)
        with _held(world.supervisor):
            server.kill()
            _dead(server)
            shutil.rmtree(world.jetstream)


class Network(StrEnum):
    """What can be wrong with connections."""

    CUT = "cut"
    REFUSE = "refuse"
    ONE_WAY = "one-way"
    SLOW = "slow"
    HALF_OPEN = "half-open"


class Ending(StrEnum):
    """How a connection that let nothing pass comes out of it."""

    RESUMED = "resumed"
    RESET = "reset"
    FORGOTTEN = "forgotten"


@dataclass
class Wire(Fault):
    """Connections of the taps, to the bus or to the database are in trouble."""

    target: str
    kind: str
    ending: Ending
    share: float
    seed: int

    def __str__(self) -> str:
        """Say also how many connections, and how it ends."""
        part = "all" if self.share == 1 else f"{self.share:.0%}"
        ending = "" if self.kind in {Network.CUT, Network.REFUSE} else f", then {self.ending}"
        return f"{self.kind} {self.target} ({part}{ending})"

    async def inject(self, scene: Scene) -> None:
        """Trouble the proxy's connections."""
        proxy = scene.world.proxies[self.target]
        dice = random.Random(self.seed)  # noqa: S311 - which connections, no secret
        match Network(self.kind):
            case Network.CUT:
                proxy.cut(self.share, dice)
            case Network.REFUSE:
                await proxy.refuse()
            case Network.HALF_OPEN:
                proxy.trouble(HALF_OPEN, self.share, dice)
            case Network.ONE_WAY:
                held = Trouble(held=frozenset({dice.choice(list(Way))}))
                proxy.trouble(held, self.share, dice)
            case Network.SLOW:
                delay_s = dice.uniform(0.05, 0.5)
                slow = Trouble(delay_s=delay_s, bytes_per_s=dice.uniform(20_000, 200_000))
                proxy.trouble(slow, self.share, dice)

    async def heal(self, scene: Scene) -> None:
        """End the trouble as the seed wants it."""
        proxy = scene.world.proxies[self.target]
        if self.kind == Network.REFUSE:
            await proxy.listen()
        elif self.kind == Network.SLOW or self.ending is Ending.RESUMED:
            proxy.resume()
        elif self.ending is Ending.RESET:
            proxy.reset()
        else:
            proxy.forget()


@dataclass
class KillControllers(Fault):
    """The controllers' process is killed, and started again on the same stores."""

    target: str = "controllers"
    kind: str = "kill -9"

    async def inject(self, scene: Scene) -> None:
        """Kill them."""
        await scene.controllers.kill()

    async def heal(self, scene: Scene) -> None:
        """Start them again."""
        await scene.controllers.start()


@dataclass
class FreezeControllers(Freeze):
    """The controllers stand still and go on."""

    target: str = "controllers"

    async def inject(self, scene: Scene) -> None:
        """Stop them."""
        self._stopped = [scene.controllers.running()]
        _each(self._stopped, "suspend")


def _each(processes: list[psutil.Process], what: str) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            getattr(process, what)()


async def _slice(process: psutil.Process) -> None:
    try:
        while True:
            _each([process], "suspend")
            await asyncio.sleep(SLICE_S)
            _each([process], "resume")
            await asyncio.sleep(SLICE_S)
    finally:
        _each([process], "resume")


@contextlib.contextmanager
def _held(supervisor: psutil.Process | None) -> Iterator[None]:
    """Let a supervisor stand still inside; one that is this process stands still by itself."""
    if supervisor:
        supervisor.suspend()
    try:
        yield
    finally:
        if supervisor:
            supervisor.resume()


def _dead(process: psutil.Process) -> None:
    """Wait until a killed process has let go of its files; nobody reaps it meanwhile."""
    deadline = time.monotonic() + DIES_WITHIN_S
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it does not die"
        time.sleep(0.002)
