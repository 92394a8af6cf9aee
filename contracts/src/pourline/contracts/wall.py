"""The whole wall of taps: stopping it, stopping one guest, and who has which tap open."""

from typing import ClassVar

from pourline.contracts.base import (
    Command,
    Count,
    Id,
    Instant,
    Message,
    Name,
    NumberedPage,
    StaffId,
)


class WallOrder(Command):
    """What staff order every tap to be; without `location` those of the whole bar."""

    OWNER: ClassVar[str] = "auth-lock"
    reason: Name
    location: StaffId | None = None


class StopWall(WallOrder):
    """Keep every tap's valve shut until the wall is resumed."""

    NAME: ClassVar[str] = "wall.stop"


class ResumeWall(WallOrder):
    """Let every tap be again what it was before the wall was stopped."""

    NAME: ClassVar[str] = "wall.resume"


class Wall(Message):
    """The answer to an order to the wall: the taps that it changed."""

    taps: list[StaffId]


class StopVisit(Command):
    """Shut the valve of the tap that a visit has open; its lock stands until the pour is in."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.stop"
    visit_id: Id
    reason: Name


class Lock(Message):
    """A lock that stands: who may pour where, since when."""

    id: Count
    visit_id: Id
    visit_number: int
    guest_id: Id
    guest_name: str
    tap_id: str
    tap_name: str
    location: str
    grant_id: Id
    lock_set_at: Instant


class ListLocks(NumberedPage):
    """Every lock that stands now, oldest first."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "lock.list"
