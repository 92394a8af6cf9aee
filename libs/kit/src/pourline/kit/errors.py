"""Saying no, and the one table that turns it into an answer, an ack, a nak or a dead letter.

    Refusal
    ├── Rejected      the rules say no; the caller is told, nobody is paged
    │   └── NotFound  what is asked about does not exist
    ├── Malformed     the message breaks its contract; the sender is wrong
    └── Retryable     expected trouble; the same message may succeed later
        └── Unsettled for some of a batch only; the rest of it is done

Anything else is a bug: loud, retried a few times, then a dead letter.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import nats.errors
import nats.js.errors
import psycopg
import psycopg_pool
from pydantic import ValidationError


class Refusal(Exception):  # noqa: N818 a refusal is not an error of ours
    """The request cannot be met."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400

    def __init__(self, detail: str | None = None, **members: object) -> None:
        self.detail = detail or (self.__class__.__doc__ or "").strip().splitlines()[0]
        self.members = members
        super().__init__(self.detail)

    @property
    def wire_code(self) -> str:
        """Return the stable code that travels."""
        return self.code


class Rejected(Refusal):
    """The rules say no."""

    code = "rejected"
    status = 409
    on_record: bool = False
    """Whether what was written before the refusal stands: the record of it."""


class NotFound(Rejected):
    """There is no such thing."""

    code = "not_found"
    status = 404


class Malformed(Refusal):
    """The message breaks its contract."""

    code = "malformed"
    status = 422


class Retryable(Refusal):
    """A part that is needed is down; try again."""

    code = "unavailable"
    status = 503


class Unsettled(Retryable):
    """A part that some messages of a batch need is down; the others are done."""

    def __init__(self, places: Collection[int], detail: str | None = None) -> None:
        """Name the messages that are to be tried again by their `places` in the batch."""
        super().__init__(detail)
        self.places = frozenset(places)


class Delivery(Enum):
    """What becomes of the message that caused an outcome."""

    ACK = "ack"
    RETRY = "retry"
    DEAD_LETTER = "dead_letter"
    RETRY_THEN_DEAD_LETTER = "retry_then_dead_letter"


@dataclass(frozen=True)
class Outcome:
    """One row of the table: what the bus does, what the asker hears, how loud the log is."""

    delivery: Delivery
    status: int
    code: str
    detail: str
    log_level: int


TROUBLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.PoolClosed,
    nats.errors.Error,
    nats.js.errors.Error,
    TimeoutError,
    ConnectionError,
)
"""What the database and the bus raise when they are away, slow or busy."""


def outcome_of(error: BaseException) -> Outcome:
    """Return the table's row for `error`."""
    match error:
        case Retryable():
            row = (Delivery.RETRY, 503, Retryable.code, error.detail, logging.WARNING)
        case Malformed():
            row = (Delivery.DEAD_LETTER, error.status, error.code, error.detail, logging.ERROR)
        case Refusal():
            row = (Delivery.ACK, error.status, error.wire_code, error.detail, logging.INFO)
        case ValidationError():
            row = (Delivery.DEAD_LETTER, 422, Malformed.code, first_fault(error), logging.ERROR)
        case _ if isinstance(error, TROUBLE):
            detail = "A part is down; try again."
            row = (Delivery.RETRY, 503, Retryable.code, detail, logging.WARNING)
        case _:
            detail = "Something is wrong on our side."
            row = (Delivery.RETRY_THEN_DEAD_LETTER, 500, "bug", detail, logging.ERROR)
    return Outcome(*row)


def first_fault(error: ValidationError) -> str:
    """Return the first thing wrong with a message, for the one who sent it.

    pydantic names the choices of a union by their validators, which is no place in a message.
    """
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"] if "[" not in str(part)) or "message"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
