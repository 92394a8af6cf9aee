"""Pauses between attempts: growing, jittered, and the same for the same seed."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing pauses with a jitter that a seed and a key decide, so that they can be replayed.

    Pause n is `first_s · 2^(n-1)` plus up to a quarter, and never above `cap_s`; the jitter stays
    at the cap too, so that many devices do not fall into step there.
    """

    first_s: float
    cap_s: float
    seed: str = ""

    def delay_s(self, attempt: int, key: str = "") -> float:
        """Return the pause in seconds after the given attempt, counted from 1."""
        doublings = min(max(attempt, 1) - 1, 32)
        nominal = min(self.first_s * float(2**doublings), self.cap_s / 1.25)
        digest = hashlib.blake2s(f"{self.seed}:{key}:{attempt}".encode()).digest()
        share = int.from_bytes(digest[:4], "big") / 2**32
        return nominal * (1 + share / 4)
