"""What the services say of themselves: their dead letters and how each one is, asked anew."""

import asyncio

import orjson
from pydantic import ValidationError

from pourline.console.errors import NoSuchPage, WrongCursor
from pourline.contracts.base import Listing
from pourline.contracts.problems import Problem
from pourline.contracts.subjects import health
from pourline.contracts.topology import SERVICES, events_of
from pourline.contracts.upkeep import (
    ASK_FIGURES,
    PAGE_MAX,
    CloseDeadLetter,
    DeadLetter,
    HealthReport,
    RecordClosing,
    Recorded,
    RecordReplay,
    ReplayDeadLetter,
    close_of,
    list_of,
    replay_of,
)
from pourline.kit.errors import TROUBLE, Malformed, NotFound, Refusal, first_fault
from pourline.kit.nats import Caller
from pourline.kit.nats.requests import Refused

OWNERS = tuple(service for service in SERVICES if events_of(service))
"""The services with a database, in the order in which their letters are listed."""
PAGE_DEFAULT = 100


async def letters_of(
    caller: Caller,
    service: str,
    *,
    actor: str,
    after: str | None = None,
    most: int = PAGE_MAX,
    closed: bool = False,
) -> Listing[DeadLetter]:
    """Return a page of one service's dead letters; raises what asking raises."""
    query = list_of(service)(limit=min(most, PAGE_MAX), cursor=after, closed=closed)
    page = await caller.ask(query, Listing[DeadLetter], actor=actor)
    # A service of the version before knows no closed ones: it tells those that wait.
    asked = [one for one in page.items if (one.closed_at is not None) == closed]
    return Listing[DeadLetter](items=asked, next=page.next)


async def letters(
    caller: Caller, *, actor: str, cursor: str | None, limit: int, closed: bool = False
) -> Listing[DeadLetter]:
    """Return a page of all dead letters that wait, or are `closed`, service by service.

    A cursor is `service:id`, what follows that letter. Raises `WrongCursor`, `Retryable` where a
    service does not answer: a list with a hole would look whole.
    """
    at, after = _place(cursor)
    found: list[DeadLetter] = []
    while at < len(OWNERS):
        if len(found) >= limit:
            return Listing[DeadLetter](items=found, next=f"{OWNERS[at]}:{after or 0}")
        most = limit - len(found)
        page = await letters_of(
            caller, OWNERS[at], actor=actor, after=after, most=most, closed=closed
        )
        found += page.items
        after = page.next
        at += after is None
    return Listing[DeadLetter](items=found)


def _place(cursor: str | None) -> tuple[int, str | None]:
    if not cursor:
        return 0, None
    service, _, number = cursor.partition(":")
    if service not in OWNERS or not _is_number(number):
        raise WrongCursor
    return OWNERS.index(service), number


async def replay(
    caller: Caller, service: str, letter_id: str, *, actor: str, key: str = ""
) -> DeadLetter:
    """Have a dead letter handed to its reader again; who orders it is on record before.

    Raises `NoSuchPage` for what can be no letter, and what its owner refuses.
    """
    require_letter(service, letter_id)
    order = replay_of(service)(letter_id=letter_id)
    note = RecordReplay(service=service, letter_id=letter_id)
    return await _order(caller, order, note, actor=actor, key=key)


async def close(
    caller: Caller, service: str, letter_id: str, reason: object, *, actor: str, key: str = ""
) -> DeadLetter:
    """Have a dead letter wait no longer; who orders it, and why, is on record before.

    Raises `NoSuchPage`, `Malformed` for what is no reason, and what its owner refuses.
    """
    require_letter(service, letter_id)
    given = {} if reason is None else {"reason": reason}
    try:
        order = close_of(service).model_validate({"letter_id": letter_id} | given)
    except ValidationError as error:
        await require_known(caller, service, letter_id, actor=actor)
        raise Malformed(first_fault(error)) from error
    note = RecordClosing(service=service, letter_id=letter_id, reason=order.reason)
    return await _order(caller, order, note, actor=actor, key=key)


async def _order(
    caller: Caller,
    order: ReplayDeadLetter | CloseDeadLetter,
    note: RecordReplay | RecordClosing,
    *,
    actor: str,
    key: str,
) -> DeadLetter:
    await caller.ask(note, Recorded, actor=actor, key=f"{key}/record" if key else "")
    return await caller.ask(order, DeadLetter, actor=actor, key=key)


async def require_known(caller: Caller, service: str, letter_id: str, *, actor: str) -> None:
    """Raise `NoSuchPage`, or what the owner says of a letter that it does not have.

    That comes before what is malformed. An order without a reason does nothing else.
    """
    require_letter(service, letter_id)
    body = orjson.dumps({"letter_id": letter_id})
    subject = close_of(service).subject()
    status, problem, _ = await caller.send(subject, body, headers={"Pourline-Actor": actor})
    if status == NotFound.status:
        raise Refused(Problem.model_validate_json(problem))


def require_letter(service: str, letter_id: str) -> None:
    """Raise `NoSuchPage` for what can be no letter."""
    if service not in OWNERS or not _is_number(letter_id):
        raise NoSuchPage


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


async def reports(caller: Caller, services: tuple[str, ...]) -> list[HealthReport]:
    """Return how each service is, with its figures; one that is silent is not ready."""
    return list(await asyncio.gather(*(_report(caller, one) for one in services)))


async def _report(caller: Caller, service: str) -> HealthReport:
    try:
        _, answer, _ = await caller.send(health(service), ASK_FIGURES, headers={})
        return HealthReport.model_validate_json(answer)
    except (Refusal, ValidationError, *TROUBLE):
        return HealthReport(service=service, ready=False, parts={"service": "not answering"})
