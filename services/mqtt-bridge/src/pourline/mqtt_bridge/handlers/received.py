"""A message of the foreign broker, and to whom its acknowledgement goes."""

import asyncio
import contextlib
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Final, Protocol

from pourline.kit.pulse import beat

LOOK_EVERY_S: Final = 10.0
"""How often a loop that has nothing to do says that it still turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it came in the `epoch`-th connection, at `at_s` of the monotonic clock.

    `mid` names it for its acknowledgement within that connection and in no other: a broker that
    lost its session counts from one again.
    """

    topic: str
    payload: bytes
    qos: int
    retained: bool
    mid: int
    epoch: int
    at_s: float


class Acknowledges(Protocol):
    """The side that gave the messages."""

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Confirm messages in this order; those of an earlier connection are passed over."""
        ...

    def give_again(self) -> None:
        """Ask for everything that was not acknowledged, by connecting anew."""
        ...


async def some(waiting: Sized, came: asyncio.Event) -> None:
    """Return once something is `waiting`; whoever waits for it is heard of all along."""
    while not waiting:
        beat()
        came.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await came.wait()
    beat()
