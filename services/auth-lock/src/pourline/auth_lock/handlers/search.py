"""One input for everything by which staff look for a guest, and who has a visit open."""

from pourline.auth_lock.domain.search import search_columns, sought
from pourline.auth_lock.handlers.visits import guest_of, visit_of
from pourline.auth_lock.store import search
from pourline.auth_lock.store.search import Question
from pourline.contracts import guests as contract
from pourline.contracts.base import Listing
from pourline.contracts.cards import UnreadableCardError, canonical_uid
from pourline.contracts.guests import Guest, Visit
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context

FILL_BATCH = 500
"""Guests made searchable in one transaction: a few milliseconds, so that nobody waits for it."""


async def search_guests(
    query: contract.SearchGuests, unit: UnitOfWork, context: Context
) -> Listing[Guest]:
    """Find guests by words of their name, phone, card UID or a visit's number."""
    del context
    after = parse_id(query.cursor) if query.cursor else None
    rows = await search.search_guests(
        unit, question_of(query.q), after=after, limit=query.limit + 1
    )
    page = [guest_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Guest](items=page, next=page[-1].id if more else None)


async def list_active_visits(
    query: contract.ListActiveVisits, unit: UnitOfWork, context: Context
) -> Listing[Visit]:
    """Return open visits in order of opening, those that the input means when there is one."""
    del context
    after = int(query.cursor) if query.cursor else 0
    rows = await search.list_active_visits(
        unit, question_of(query.q), after=after, limit=query.limit + 1
    )
    page = [visit_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Visit](items=page, next=str(page[-1].number) if more else None)


async def list_closed_visits(
    query: contract.ListClosedVisits, unit: UnitOfWork, context: Context
) -> Listing[Visit]:
    """Return visits that are over, newest first, those that the input means when there is one."""
    del context
    before = int(query.cursor) if query.cursor else None
    rows = await search.list_closed_visits(
        unit, question_of(query.q), before=before, limit=query.limit + 1
    )
    page = [visit_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Visit](items=page, next=str(page[-1].number) if more else None)


def question_of(text: str | None) -> Question:
    """Return what may be meant by the one input."""
    stripped = (text or "").strip()
    return Question(text=stripped, sought=sought(stripped), card_uid=_readable(stripped))


async def make_searchable(database: Database) -> int:
    """Make every guest searchable whom an earlier version registered; return how many."""
    filled = 0
    while count := await _fill_some(database):
        filled += count
    return filled


async def _fill_some(database: Database) -> int:
    async with database.transaction() as unit:
        rows = await search.unsearchable(unit, limit=FILL_BATCH)
        if rows:
            fresh = [{"id": row["id"], **search_columns(row["name"], row["phone"])} for row in rows]
            await search.save_searchable(unit, fresh)
    return len(rows)


def _readable(text: str) -> str | None:
    try:
        return canonical_uid(text)
    except UnreadableCardError:
        return None
