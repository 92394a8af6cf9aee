"""A ledger with one guest, whose books must balance after every test."""

from collections.abc import AsyncIterator

import pytest
from pourline.testkit.books import Books, open_books
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Books]:
    async with open_books(fresh_database("ledger"), clock) as books:
        yield books
        assert await books.offenders() == []
