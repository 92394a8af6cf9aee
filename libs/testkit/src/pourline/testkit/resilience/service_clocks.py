"""A service whose machine has a wrong time of day: ahead, behind, or jumping between the two."""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import cycle
from pathlib import Path
from typing import Final

from pourline.testkit.resilience.own_time.sitecustomize import CLOCK_ERRORS

HOUR_S: Final = 3600.0
JUMPS_EVERY_S: Final = 0.4


class Wrong(StrEnum):
    """How a clock is wrong."""

    AHEAD = "an hour ahead"
    BEHIND = "an hour behind"
    JUMPING = "jumping"


ERRORS_S: Final = {
    Wrong.AHEAD: (HOUR_S,),
    Wrong.BEHIND: (-HOUR_S,),
    Wrong.JUMPING: (HOUR_S, -HOUR_S, 0.0),
}


def environment(folder: Path) -> dict[str, str]:
    """Return what a bar is given so that clocks of its services can be set by files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    own_time = str(Path(__file__).with_name("own_time"))
    path = os.pathsep.join(filter(None, (own_time, os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, CLOCK_ERRORS: str(folder)}


@dataclass
class WrongTime:
    """One service's clock, wrong between `begin` and `end`."""

    folder: Path
    service: str
    wrong: Wrong
    _jumping: asyncio.Task[None] | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Let it be wrong."""
        self._set(ERRORS_S[self.wrong][0])
        if len(ERRORS_S[self.wrong]) > 1:
            self._jumping = asyncio.create_task(self._jump())

    async def end(self) -> None:
        """Let it be right again."""
        if self._jumping:
            self._jumping.cancel()
            with suppress(asyncio.CancelledError):
                await self._jumping
        (self.folder / self.service).unlink(missing_ok=True)

    async def _jump(self) -> None:
        for error_s in cycle(ERRORS_S[self.wrong]):
            self._set(error_s)
            await asyncio.sleep(JUMPS_EVERY_S)

    def _set(self, error_s: float) -> None:
        (self.folder / self.service).write_text(str(error_s))
