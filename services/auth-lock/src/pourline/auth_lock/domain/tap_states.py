"""What state a tap is in. Sources: the outer contract's tap states; requirements SY-3, KG-4."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class TapState(StrEnum):
    """Whether a tap may pour, and why not."""

    ACTIVE = "active"
    PROCESSING_SYNC = "processing_sync"
    OUT_OF_KEG = "out_of_keg"
    MAINTENANCE = "maintenance"
    CLEANING = "cleaning"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class TapFacts:
    """What bears on a tap's state. `order` is what staff want it to be, if anything.

    `gas`: its keg blew empty, whatever the books say is left.
    `offline`: its last word, or its will, says so; a tap that never spoke is not.
    """

    order: TapState | None
    keg_id: UUID | None
    remaining_ml: Decimal | None
    offline: bool
    pending_sync: int
    sync_was_reset: bool
    locked: bool
    gas: bool = False


def tap_state(facts: TapFacts) -> TapState:
    """Return a tap's state: staff's order first, then the keg, then unsettled pours (SY-3)."""
    if facts.order is not None:
        return facts.order
    is_empty = facts.remaining_ml is not None and facts.remaining_ml <= 0
    if facts.gas or facts.keg_id is None or is_empty:
        return TapState.OUT_OF_KEG
    unsettled = facts.pending_sync > 0 or (facts.locked and facts.offline)
    if unsettled and not facts.sync_was_reset:
        return TapState.PROCESSING_SYNC
    return TapState.ACTIVE
