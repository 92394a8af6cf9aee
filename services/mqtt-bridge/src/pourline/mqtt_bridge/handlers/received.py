"""A message of the foreign broker, and to whom its acknowledgement goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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
