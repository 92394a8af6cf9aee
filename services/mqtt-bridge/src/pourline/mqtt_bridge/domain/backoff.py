"""Pauses between attempts to connect."""

FIRST_S = 0.2
CAP_S = 4.0
"""Short enough that states are told within ten seconds of a broker's return."""
DOUBLINGS_MAX = 16


def pause_s(attempt: int, *, jitter: float) -> float:
    """Return the pause in seconds after failed attempt `attempt`, counted from 1.

    It doubles up to a cap; `jitter`, from 0 to 1, takes away up to half of it, so that clients of
    one broker do not all come back in step.
    """
    nominal = min(FIRST_S * float(2 ** min(max(attempt, 1) - 1, DOUBLINGS_MAX)), CAP_S)
    return nominal * (1 - jitter / 2)
