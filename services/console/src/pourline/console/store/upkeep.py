"""What the services say of themselves: their dead letters and how each one is, asked anew."""

import asyncio

from pydantic import ValidationError

from pourline.console.errors import NoSuchPage, WrongCursor
from pourline.contracts.base import Listing
from pourline.contracts.subjects import health
from pourline.contracts.topology import SERVICES, events_of
from pourline.contracts.upkeep import (
    ASK_FIGURES,
    PAGE_MAX,
    DeadLetter,
    HealthReport,
    Recorded,
    RecordReplay,
    list_of,
    replay_of,
)
from pourline.kit.errors import TROUBLE, Refusal
from pourline.kit.nats import Caller

OWNERS = tuple(service for service in SERVICES if events_of(service))
"""The services with a database, in the order in which their letters are listed."""
PAGE_DEFAULT = 100


async def letters_of(
    caller: Caller, service: str, *, actor: str, after: str | None = None, most: int = PAGE_MAX
) -> Listing[DeadLetter]:
    """Return a page of one service's dead letters; raises what asking raises."""
    query = list_of(service)(limit=min(most, PAGE_MAX), cursor=after)
    return await caller.ask(query, Listing[DeadLetter], actor=actor)


async def letters(
    caller: Caller, *, actor: str, cursor: str | None, limit: int
) -> Listing[DeadLetter]:
    """Return a page of all dead letters, service by service.

    A cursor is `service:id`, what follows that letter. Raises `WrongCursor`, `Retryable` where a
    service does not answer: a list with a hole would look whole.
    """
    at, after = _place(cursor)
    found: list[DeadLetter] = []
    while at < len(OWNERS):
        if len(found) >= limit:
            return Listing[DeadLetter](items=found, next=f"{OWNERS[at]}:{after or 0}")
        page = await letters_of(
            caller, OWNERS[at], actor=actor, after=after, most=limit - len(found)
        )
        found += page.items
        after = page.next
        at += after is None
    return Listing[DeadLetter](items=found)


def _place(cursor: str | None) -> tuple[int, str | None]:
    if not cursor:
        return 0, None
    service, _, number = cursor.partition(":")
    if service not in OWNERS or not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise WrongCursor
    return OWNERS.index(service), number


async def replay(
    caller: Caller, service: str, letter_id: str, *, actor: str, key: str = ""
) -> DeadLetter:
    """Have a dead letter handed to its reader again; who orders it is on record before.

    Raises `NoSuchPage` for what can be no letter, and what its owner refuses.
    """
    if service not in OWNERS:
        raise NoSuchPage
    try:
        note = RecordReplay(service=service, letter_id=letter_id)
    except ValidationError as error:
        raise NoSuchPage from error
    await caller.ask(note, Recorded, actor=actor)
    order = replay_of(service)(letter_id=letter_id)
    return await caller.ask(order, DeadLetter, actor=actor, key=key)


async def reports(caller: Caller, services: tuple[str, ...]) -> list[HealthReport]:
    """Return how each service is, with its figures; one that is silent is not ready."""
    return list(await asyncio.gather(*(_report(caller, one) for one in services)))


async def _report(caller: Caller, service: str) -> HealthReport:
    try:
        _, answer, _ = await caller.send(health(service), ASK_FIGURES, headers={})
        return HealthReport.model_validate_json(answer)
    except (Refusal, ValidationError, *TROUBLE):
        return HealthReport(service=service, ready=False, parts={"service": "not answering"})
