"""One row of the table of end points: method, path, level, the command behind it, its answer."""

from dataclasses import dataclass
from enum import Enum

from pourline.contracts.base import Command, Message


class Shape(Enum):
    """How an owner's answer is completed before it goes out."""

    PLAIN = "plain"
    VISIT = "visit"
    VISITS = "visits"
    GUEST = "guest"
    GUESTS = "guests"
    STATEMENT = "statement"
    AUDIT = "audit"
    REPORT = "report"
    SPOUTS = "spouts"
    INVENTORY = "inventory"
    INVENTORY_LEDGER = "inventory_ledger"
    SALE = "sale"
    CLOSED_VISITS = "closed_visits"
    POUR_REPORT = "pour_report"
    LOSSES = "losses"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One end point.

    `level` None means public. `known` is asked before the body is looked at, for a path that
    names another owner's data; `refers` likewise for a field of the body. `settles` names the
    services that must have taken in what happened before the answer goes out, so that the next
    request finds it there. `limited` counts failed tries by the name that the body gives;
    `counted` counts every call as one of the inventory monitor's. `ends_token` ends the token
    that is asked with.
    """

    method: str
    path: str
    level: int | None
    command: type[Command]
    answer: type[Message]
    status: int = 200
    shape: Shape = Shape.PLAIN
    settles: tuple[str, ...] = ()
    known: type[Command] | None = None
    refers: tuple[str, type[Command]] | None = None
    limited: bool = False
    counted: bool = False
    ends_token: bool = False
