"""Finding guests and visits by one input, against the real database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
import pytest
from pourline.auth_lock.handlers import search, visits
from pourline.contracts.guests import (
    CloseVisit,
    CreateGuest,
    Guest,
    ListActiveVisits,
    ListClosedVisits,
    OpenVisit,
    SearchGuests,
    Visit,
)
from pourline.kit.db import Database
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=1)
CARD = "0419eeb2757181"


@dataclass(frozen=True)
class Book:
    """The book of guests."""

    database: Database
    url: str

    async def register(self, name: str, phone: str | None = None) -> Guest:
        async with self.database.transaction() as unit:
            return await visits.create_guest(CreateGuest(name=name, phone=phone), unit, STAFF)

    async def open(self, guest: Guest, card_uid: str | None = None) -> Visit:
        async with self.database.transaction() as unit:
            order = OpenVisit(guest_id=guest.id, card_uid=card_uid)
            return await visits.open_visit(order, unit, STAFF)

    async def close(self, visit: Visit) -> None:
        async with self.database.transaction() as unit:
            await visits.close_visit(CloseVisit(visit_id=visit.id, reason="x"), unit, STAFF)

    async def found(self, q: str) -> list[str]:
        """Return the names of the guests found, walked in pages of two."""
        names: list[str] = []
        cursor = None
        while True:
            async with self.database.transaction() as unit:
                query = SearchGuests(q=q, limit=2, cursor=cursor)
                page = await search.search_guests(query, unit, STAFF)
            assert len(page.items) <= 2
            names += [guest.name for guest in page.items]
            cursor = page.next
            if cursor is None:
                return names

    async def open_ones(self, q: str) -> list[str]:
        """Return the names of the guests whose visit is found among the open ones."""
        async with self.database.transaction() as unit:
            page = await search.list_active_visits(ListActiveVisits(q=q), unit, STAFF)
        return [visit.guest.name for visit in page.items]

    async def closed_ones(self, q: str) -> list[int]:
        """Return the numbers of the closed visits found, walked in pages of two."""
        numbers: list[int] = []
        cursor = None
        while True:
            async with self.database.transaction() as unit:
                query = ListClosedVisits(q=q, limit=2, cursor=cursor)
                page = await search.list_closed_visits(query, unit, STAFF)
            numbers += [visit.number for visit in page.items]
            cursor = page.next
            if cursor is None:
                return numbers


@pytest.fixture
async def book(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Book]:
    url = fresh_database("auth-lock")
    database = Database(url=url, service="auth-lock", clock=clock)
    await database.open()
    yield Book(database, url)
    await database.close()


PEOPLE = {
    "Ada Lovelace": "+44 (0)20 7946-0000",
    "Zoë Müller-Lüdenscheidt": "0170 / 123 45 67",
    "Søren O'Brien": "0049 30 9876543",
    "Bob": None,
    "Åsa_Öberg 100%": None,
}
FINDS = {
    "love": ["Ada Lovelace"],
    "LOVELACE ada": ["Ada Lovelace"],
    "ada bob": [],
    "zoe muller": ["Zoë Müller-Lüdenscheidt"],
    "MÜLLER": ["Zoë Müller-Lüdenscheidt"],
    "denscheidt mü": ["Zoë Müller-Lüdenscheidt"],
    "soren obrien": ["Søren O'Brien"],
    "o\u2019brien": ["Søren O'Brien"],
    "b": ["Søren O'Brien", "Bob", "Åsa_Öberg 100%"],
    "bo": ["Bob"],
    "100%": ["Åsa_Öberg 100%"],
    "a_o": ["Åsa_Öberg 100%"],
    "%": [],
    "_": ["Åsa_Öberg 100%"],
    "\\": [],
    "+44 20 7946 0000": ["Ada Lovelace"],
    "0044 (0)20 79460000": ["Ada Lovelace"],
    "020 7946": ["Ada Lovelace"],
    "7946-0000": ["Ada Lovelace"],
    "+49 170 1234567": ["Zoë Müller-Lüdenscheidt"],
    "00491701234567": ["Zoë Müller-Lüdenscheidt"],
    "0170 123": ["Zoë Müller-Lüdenscheidt"],
    "(030) 98765-43": ["Søren O'Brien"],
    "+49309876543": ["Søren O'Brien"],
    "+43 30 9876543": [],
    "": list(PEOPLE),
    "  ": list(PEOPLE),
}


@pytest.mark.requirement("VI-1")
async def test_one_input_finds_a_name_or_a_phone_in_any_notation(book: Book) -> None:
    for name, phone in PEOPLE.items():
        await book.open(await book.register(name, phone))

    found = {q: await book.found(q) for q in FINDS}
    open_ones = {q: await book.open_ones(q) for q in FINDS}

    assert found == FINDS
    assert open_ones == FINDS


@pytest.mark.requirement("VI-1")
async def test_one_input_finds_a_card_in_any_notation_and_a_visits_number(book: Book) -> None:
    await book.register("Bob")
    ada = await book.register("Ada")
    visit = await book.open(ada, CARD)
    inputs = ("04:19:EE:B2:75:71:81", "0419eeb2757181", f"{visit.number}", f"#{visit.number}")

    for q in inputs:
        assert (await book.found(q), await book.open_ones(q)) == (["Ada"], ["Ada"]), q
    await book.close(visit)
    for q in inputs:
        assert (await book.found(q), await book.open_ones(q)) == (["Ada"], []), q


@pytest.mark.requirement("VI-1")
async def test_guests_of_an_earlier_version_are_made_searchable(book: Book) -> None:
    with psycopg.connect(book.url) as connection:
        connection.execute(
            "INSERT INTO guest (id, name, phone, phone_digits)"
            " SELECT gen_random_uuid(), 'Gäst ' || n, '0170 55500' || n, '17055500' || n"
            " FROM generate_series(1, 1200) AS n"
        )
    assert await book.found("gast 7") == []

    made = await search.make_searchable(book.database)

    assert made == 1200
    assert "Gäst 777" in await book.found("gast 77")
    assert await book.found("+49 170 55500777") == ["Gäst 777"]


async def test_closed_visits_are_found_by_name_card_and_number_newest_first(book: Book) -> None:
    ada, bob = await book.register("Ada Lovelace", "+44 20 7946 0000"), await book.register("Bob")
    closed = []
    for card in (CARD, None, None):
        visit = await book.open(ada, card)
        await book.close(visit)
        closed.append(visit.number)
    other = await book.open(bob, CARD)
    await book.close(other)
    still = await book.open(ada)

    newest_first = list(reversed(closed))
    assert await book.closed_ones("") == [other.number, *newest_first]
    assert await book.closed_ones("love") == newest_first
    assert await book.closed_ones("020 7946") == newest_first
    assert await book.closed_ones(CARD) == [other.number, closed[0]]
    assert await book.closed_ones(str(closed[1])) == [closed[1]]
    assert await book.closed_ones(str(still.number)) == []
    assert await book.closed_ones("nobody") == []
    assert await book.open_ones("love") == ["Ada Lovelace"]
