"""The append-only record against the real database: who may change it, and how it shows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import psycopg.errors
import pytest
from pourline.auth_lock.handlers.audit import link_all, list_audit
from pourline.auth_lock.invariants import AUDIT
from pourline.auth_lock.store import audit
from pourline.contracts.guests import AuditEntry, ListAudit
from pourline.kit.db import Database
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase
from pourline.upkeep import migrations

OWNER = Context(actor="olga", level=5)
WRITERS = 20
ENTRIES = 25


@dataclass(frozen=True)
class Record:
    """The record, and a superuser who wants to change it."""

    database: Database
    url: str

    async def write(self, number: int, *, actor: str = "anna", action: str = "poured") -> None:
        async with self.database.transaction() as unit:
            await audit.record(
                unit,
                actor=actor,
                action=action,
                subject=f"visit:{number}",
                reason='a "quoted" reason ✓',
                after={"ml": 300.25, "names": ["b", "a"]},
            )

    async def write_and_fail(self) -> None:
        async with self.database.transaction() as unit:
            await audit.record(unit, actor="a", action="b", subject="c:d")
            await unit.execute("SELECT FROM nowhere")

    async def fill(self, entries: int = ENTRIES) -> None:
        for number in range(entries):
            await self.write(number)
        assert await link_all(self.database) == entries

    async def broken(self) -> list[str]:
        """Return the names of the statements about the record that do not hold."""
        async with self.database.transaction() as unit:
            return [rule.name for rule in AUDIT if await unit.all(rule.sql)]

    def tamper(self, *statements: str) -> None:
        """Do what only a superuser can who switches the triggers off."""
        with psycopg.connect(self.url) as connection:
            for table in ("audit", "audit_link"):
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
            for statement in statements:
                connection.execute(statement.encode())
            for table in ("audit", "audit_link"):
                connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())

    async def find(self, query: ListAudit) -> list[AuditEntry]:
        async with self.database.transaction() as unit:
            return (await list_audit(query, unit, OWNER)).items


@pytest.fixture
async def record(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Record]:
    url = fresh_database("auth-lock")
    database = Database(url=url, service="auth-lock", clock=clock)
    await database.open()
    yield Record(database, url)
    await database.close()


@pytest.mark.requirement("VI-6")
@pytest.mark.parametrize("table", ["audit", "audit_link"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"],
)
async def test_the_record_and_its_chain_cannot_be_changed(
    record: Record, table: str, statement: str
) -> None:
    await record.fill(1)
    column = "actor" if table == "audit" else "hash"

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with record.database.transaction() as unit:
            await unit.execute(statement.format(table, column, column))

    assert await record.broken() == []
    assert len(await record.find(ListAudit())) == 1


@pytest.mark.requirement("VI-6")
async def test_the_chain_is_whole_without_gap_under_writers_and_linkers_at_once(
    record: Record,
) -> None:
    async def write_some(writer: int) -> None:
        for number in range(ENTRIES):
            await record.write(writer * ENTRIES + number)

    async def link_some() -> int:
        return sum([await link_all(record.database) for _ in range(ENTRIES)])

    linking = [asyncio.create_task(link_some()) for _ in range(2)]
    await asyncio.gather(*(write_some(writer) for writer in range(WRITERS)))
    linked = sum(await asyncio.gather(*linking)) + await link_all(record.database)

    assert linked == WRITERS * ENTRIES
    assert await record.broken() == []
    async with record.database.transaction() as unit:
        assert (await audit.head(unit)).position == WRITERS * ENTRIES


@pytest.mark.requirement("VI-6")
async def test_an_entry_that_is_rolled_back_leaves_no_gap(record: Record) -> None:
    await record.fill(2)
    with pytest.raises(psycopg.errors.UndefinedTable):
        await record.write_and_fail()
    await record.write(3)
    await link_all(record.database)

    assert await record.broken() == []


@pytest.mark.requirement("VI-6")
async def test_an_entry_may_wait_for_its_link_for_seconds_and_no_longer(record: Record) -> None:
    await record.fill(2)
    await record.write(3)
    seen = [await record.broken()]
    async with record.database.transaction() as unit:
        await unit.execute(
            "INSERT INTO audit (at, actor, action, subject)"
            " VALUES (clock_timestamp() - interval '6 seconds', 'anna', 'poured', 'visit:4')"
        )
    seen.append(await record.broken())
    await link_all(record.database)
    seen.append(await record.broken())

    assert seen == [[], [LINKED], []]


CONTENT = "the_record_is_what_was_linked"
CHAIN = "the_chain_of_the_record_is_whole"
LINKED = "every_entry_of_the_record_is_linked"
SWAPPED = """
    UPDATE audit SET subject = other.subject, at = other.at FROM audit AS other
    WHERE (audit.id, other.id) IN ((4, 9), (9, 4))
"""
INSERTED = "INSERT INTO audit (actor, action, subject) VALUES ('eve', 'refunded', 'guest:1')"
REMOVED = "DELETE FROM audit WHERE id = 7"
UNLINKED = "DELETE FROM audit_link WHERE audit_id = 7"
CLOSED_UP = "UPDATE audit_link SET position = -position + 1 WHERE position > 7"
TURNED_BACK = "UPDATE audit_link SET position = -position WHERE position < 0"
CHANGED = "UPDATE audit SET {} WHERE id = 5"
REHASHED = "UPDATE audit_link SET content = sha256('x') WHERE audit_id = 5"


@pytest.mark.requirement("VI-6")
@pytest.mark.parametrize(
    ("statements", "found"),
    [
        *(
            ([CHANGED.format(change)], [CONTENT])
            for change in (
                "actor = 'ben'",
                "action = 'drank'",
                "subject = 'visit:99'",
                "reason = NULL",
                "reason = ''",
                "after = '{}'",
                "after = NULL",
                "before = '{}'",
                "at = at + interval '1 microsecond'",
            )
        ),
        ([REMOVED], [CONTENT]),
        ([REMOVED, UNLINKED], [CHAIN]),
        ([REMOVED, UNLINKED, CLOSED_UP, TURNED_BACK], [CHAIN]),
        ([INSERTED], [LINKED]),
        ([SWAPPED], [CONTENT]),
        ([CHANGED.format("actor = 'ben'"), REHASHED], [CONTENT, CHAIN]),
        ([UNLINKED], [CHAIN, LINKED]),
    ],
)
async def test_whatever_a_superuser_changes_is_found(
    record: Record, statements: Sequence[str], found: list[str]
) -> None:
    await record.fill()
    assert await record.broken() == []

    record.tamper(*statements)

    assert await record.broken() == found


@pytest.mark.requirement("VI-6")
async def test_the_record_is_found_by_who_what_whom_and_when(record: Record) -> None:
    await record.fill(3)
    await record.write(1, actor="ben", action="refunded")
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    by = [
        ListAudit(actor="ben"),
        ListAudit(action="refunded"),
        ListAudit(subject="visit:1"),
        ListAudit(subject="visit:1", actor="anna"),
        ListAudit(subject="visit"),
        ListAudit(subject="2"),
        ListAudit(from_=now - hour, to=now + hour),
        ListAudit(from_=now + hour),
        ListAudit(to=now - hour),
        ListAudit(actor="nobody"),
    ]
    found = [[(one.id, one.actor) for one in await record.find(query)] for query in by]

    ben, two, one, zero = (4, "ben"), (3, "anna"), (2, "anna"), (1, "anna")
    everything = [ben, two, one, zero]
    assert found[:6] == [[ben], [ben], [ben, one], [one], everything, [two]]
    assert found[6:] == [everything, [], [], []]


@pytest.mark.requirement("VI-6", "MG-1")
async def test_what_was_on_record_before_there_was_a_chain_is_linked_too(
    fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    url = fresh_database("auth-lock")
    migrations.downgrade("auth-lock", url, "0004")
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO audit (actor, action, subject)"
            " SELECT 'anna', 'poured', 'visit:' || n FROM generate_series(1, 2500) AS n"
        )
    migrations.upgrade("auth-lock", url)
    database = Database(url=url, service="auth-lock", clock=clock)
    await database.open()
    record = Record(database, url)

    linked = await link_all(database)

    assert (linked, await record.broken()) == (2500, [])
    await database.close()
