"""Clocks that are wrong: of raw taps, which say so in their pours, of controllers, of services."""

from dataclasses import dataclass, field
from datetime import timedelta

from pourline.testkit.resilience.faults import Fault, Scene
from pourline.testkit.resilience.service_clocks import Wrong, WrongTime
from pourline.testkit.resilience.wrong_clock import ERROR


@dataclass
class WrongClocks(Fault):
    """Clocks are days ahead or behind from one moment to the next, and then right again."""

    target: str
    days: float
    kind: str = "wrong clock"

    def __str__(self) -> str:
        """Say also how wrong."""
        return f"{self.kind} {self.target} ({self.days:+.1f} days)"

    async def inject(self, scene: Scene) -> None:
        """Let them jump."""
        if self.target == "controllers":
            (scene.controllers.folder / ERROR).write_text(str(self.days * 24 * 3600))
        else:
            scene.raw.clock_ahead = timedelta(days=self.days)

    async def heal(self, scene: Scene) -> None:
        """Let them jump back."""
        if self.target == "controllers":
            (scene.controllers.folder / ERROR).unlink(missing_ok=True)
        else:
            scene.raw.clock_ahead = timedelta()


@dataclass
class WrongServiceClock(Fault):
    """A service's time of day is wrong for a while, and then right again."""

    target: str
    wrong: Wrong
    kind: str = "wrong time of day"
    _time: WrongTime | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Say also how wrong."""
        return f"{self.kind} {self.target} ({self.wrong})"

    async def inject(self, scene: Scene) -> None:
        """Let it be wrong."""
        self._time = WrongTime(scene.world.clock_errors, self.target, self.wrong)
        self._time.begin()

    async def heal(self, scene: Scene) -> None:
        """Let it be right again."""
        del scene
        if self._time:
            await self._time.end()
