"""The open shift, as the strip of every screen shows it."""

import asyncio
from collections import Counter
from typing import NoReturn

from pourline.contracts.evening import GetCurrentShift, Shift
from pourline.kit.errors import TROUBLE, Refusal
from pourline.kit.nats import Caller
from pourline.kit.nats.requests import Refused

NEWS = ("shift.opened", "shift.closed", "shift.reopened")
LOOK_EVERY_S = 0.25
ASK_EVERY_S = 30.0
RETRY_S = 2.0
NONE_OPEN = 404


class OpenShift:
    """Which shift is open; `is_known` is false until its owner has answered."""

    def __init__(self) -> None:
        self.shift: Shift | None = None
        self.is_known = False

    async def keep_fresh(self, caller: Caller, news: Counter[str]) -> NoReturn:
        """Ask at once, when a shift opened or closed, and every now and then."""
        while True:
            heard = _heard(news)
            rest_s = ASK_EVERY_S if await self.load(caller) else RETRY_S
            for _ in range(int(rest_s / LOOK_EVERY_S)):
                await asyncio.sleep(LOOK_EVERY_S)
                if _heard(news) != heard:
                    break

    async def load(self, caller: Caller) -> bool:
        """Take the owner's word; return whether it answered. Else the last word stands."""
        try:
            self.shift = await caller.ask(GetCurrentShift(), Shift)
        except Refused as no:
            if no.problem.status != NONE_OPEN:
                return False
            self.shift = None
        except (Refusal, *TROUBLE):
            return False
        self.is_known = True
        return True


def _heard(news: Counter[str]) -> int:
    return sum(news[kind] for kind in NEWS)
