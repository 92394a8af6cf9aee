"""What every service answers about itself: its dead letters, and how far behind it is.

Owned by each service alike, so the owner stands in the subject: `list_of("ledger")` is the question
that the ledger answers. `topology.ABOUT_UPKEEP` says who may ask.
"""

from functools import cache
from typing import Annotated, ClassVar

from pydantic import Field

from pourline.contracts.base import (
    Command,
    Count,
    Id,
    Instant,
    Message,
    Name,
    NumberCursor,
    NumberedPage,
)

PAGE_MAX = 15
"""Letters in one message of the bus: payload and reason are cut so that these fit in its 64 KiB."""


class DeadLetter(Message):
    """A message that could not be handled.

    `payload` is its text, secrets masked and cut; `payload_bytes` says how long it was. `consumer`
    is whose reading failed; `received_at` is when the broker took the message, `at` when it was
    set aside. A closed one says since when, by whom and why: it is kept, and waits for nobody.
    """

    service: str
    id: Count
    consumer: str
    subject: str
    reason: str
    deliveries: int
    received_at: Instant
    at: Instant
    payload: str
    payload_bytes: int
    replayed_at: Instant | None = None
    closed_at: Instant | None = None
    closed_by: str | None = None
    closed_because: str | None = None


class ListDeadLetters(NumberedPage):
    """The dead letters of one service that wait, oldest first; with `closed` those that do not.

    None that was replayed is among them.
    """

    NAME: ClassVar[str] = "kit.dead_letters"
    closed: bool = False
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_MAX


class ReplayDeadLetter(Command):
    """Hand one dead letter to its reader again; refused when it fails again, or is settled."""

    NAME: ClassVar[str] = "kit.replay_dead_letter"
    letter_id: NumberCursor


class CloseDeadLetter(Command):
    """Let one dead letter wait no longer; refused when it is settled. A replay stays possible."""

    NAME: ClassVar[str] = "kit.close_dead_letter"
    letter_id: NumberCursor
    reason: Name


@cache
def list_of(service: str) -> type[ListDeadLetters]:
    """Return the question for the dead letters of `service`."""

    class Asked(ListDeadLetters):
        OWNER: ClassVar[str] = service

    return Asked


@cache
def replay_of(service: str) -> type[ReplayDeadLetter]:
    """Return the command to replay a dead letter of `service`."""

    class Ordered(ReplayDeadLetter):
        OWNER: ClassVar[str] = service

    return Ordered


@cache
def close_of(service: str) -> type[CloseDeadLetter]:
    """Return the command to close a dead letter of `service`."""

    class Ordered(CloseDeadLetter):
        OWNER: ClassVar[str] = service

    return Ordered


class RecordReplay(Command):
    """Write on record that somebody orders a dead letter replayed; asked before it is."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "audit.record_replay"
    service: Id
    letter_id: NumberCursor


class RecordClosing(Command):
    """Write on record that somebody orders a dead letter closed, and why; asked before it is."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "audit.record_closing"
    service: Id
    letter_id: NumberCursor
    reason: Name


class Recorded(Message):
    """It is on record."""


class Queue(Message):
    """A durable consumer: messages it has not been given, and given but not acknowledged."""

    name: str
    pending: Count
    unacknowledged: Count


class Sample(Message):
    """One value of a metric at this moment; no label ever holds an id."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    value: float


class Distribution(Message):
    """How observations fell between `bounds`: `counts` has one more, for what is above them all.

    `total` is the sum of what was observed, in the metric's unit.
    """

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    bounds: list[float]
    counts: list[Count]
    total: float


class Figures(Message):
    """How far behind a service is, as `health.{service}` tells whoever asks with `figures`.

    `publish_ms` is what the bus last took to store a round of events, `commit_ms` what the database
    last took to commit a transaction that told something; both end with a sync to disk, and are
    absent until there was one. What a service cannot ask for is absent too. `samples` and
    `distributions` are its metrics; `host` is the machine of the process that tells them.
    """

    host: str | None = None
    samples: list[Sample] = Field(default_factory=list)
    distributions: list[Distribution] = Field(default_factory=list)
    queues: list[Queue] = Field(default_factory=list)
    outbox_unpublished: Count | None = None
    dead_letters: Count | None = None
    publish_ms: float | None = None
    commit_ms: float | None = None


class HealthReport(Message):
    """How a service is: its parts, `ok` or what is wrong, and who it is.

    `version`, `uptime_s` (since the process started to answer) and `figures` are there for
    whoever asked with `figures`.
    """

    service: str
    ready: bool
    parts: dict[str, str]
    version: str | None = None
    uptime_s: int | None = None
    figures: Figures | None = None


ASK_FIGURES = b"figures"
"""What is sent to `health.{service}` to hear its figures too."""
