"""Accounts, bookings and entries: double entry, append-only, balance after each entry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pourline.kit.db import Row, UnitOfWork, as_json
from pourline.kit.ids import text_of


@dataclass(frozen=True, kw_only=True)
class Posting:
    """Money onto (positive) or off (negative) one account, as part of a booking."""

    booking_id: UUID
    account_id: str
    amount: int


@dataclass(frozen=True, kw_only=True)
class Booking:
    """Why money moved: postings of one booking sum to zero."""

    id: UUID
    kind: str
    reference: str
    actor: str
    note: str | None = None


def guest_account(guest_id: UUID | str) -> str:
    """Return the id of a guest's account."""
    return f"guest:{text_of(guest_id)}"


async def lock_balances(unit: UnitOfWork, accounts: Iterable[str]) -> dict[str, int]:
    """Return the balances of `accounts`, made where missing and locked until the commit.

    Missing ones are made before any is locked, and locks are taken in order of id, so that two
    transactions never wait for each other.
    """
    ids = sorted(set(accounts))
    await unit.execute(
        """
        INSERT INTO account (id, kind, guest_id)
        SELECT id, split_part(id, ':', 1),
               CASE WHEN id LIKE 'guest:%%' THEN substr(id, 7)::uuid END
        FROM unnest(%s::text[]) AS wanted (id)
        WHERE NOT EXISTS (SELECT FROM account WHERE account.id = wanted.id) ORDER BY id
        ON CONFLICT DO NOTHING
        """,
        (ids,),
    )
    select = "SELECT id, balance FROM account WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
    rows = await unit.all(select, (ids,))
    return {row["id"]: row["balance"] for row in rows}


async def book(
    unit: UnitOfWork,
    bookings: Sequence[Booking],
    postings: Sequence[Posting],
    balances: dict[str, int],
) -> list[int]:
    """Save bookings with their postings and return the balance after each posting.

    `balances` are the locked ones and are brought up to date. Raises `AssertionError` when the
    postings do not sum to zero: that is a bug, never a booking.
    """
    assert sum(posting.amount for posting in postings) == 0, "postings must sum to zero"  # noqa: S101 an invariant
    after = []
    for posting in postings:
        balances[posting.account_id] += posting.amount
        after.append(balances[posting.account_id])
    await unit.execute(
        """
        WITH booked AS (
            INSERT INTO booking (id, kind, reference, actor, note)
            SELECT id, kind, reference, actor, note FROM json_to_recordset(%s)
                AS booking (id uuid, kind text, reference text, actor text, note text)
        ), entered AS (
            INSERT INTO entry (booking_id, account_id, amount, balance_after)
            SELECT booking_id, account_id, amount, balance_after
            FROM ROWS FROM (json_to_recordset(%s) AS (
                booking_id uuid, account_id text, amount bigint, balance_after bigint
            )) WITH ORDINALITY AS posting
            WHERE amount <> 0 ORDER BY ordinality
        )
        UPDATE account SET balance = fresh.value::bigint
        FROM json_each_text(%s) AS fresh WHERE account.id = fresh.key
        """,
        (
            as_json(bookings),
            as_json(
                [
                    vars(posting) | {"balance_after": balance}
                    for posting, balance in zip(postings, after, strict=True)
                ]
            ),
            as_json(balances),
        ),
    )
    return after


async def balance_of(unit: UnitOfWork, guest_id: UUID) -> int:
    """Return a guest's balance; a guest without entries has nothing."""
    row = await unit.maybe("SELECT balance FROM account WHERE id = %s", (guest_account(guest_id),))
    return int(row["balance"]) if row else 0


async def balances_of(unit: UnitOfWork, guest_ids: Sequence[UUID]) -> dict[str, int]:
    """Return the balances of those guests that have an account."""
    rows = await unit.all(
        "SELECT guest_id, balance FROM account WHERE guest_id = ANY(%s)", (list(guest_ids),)
    )
    return {str(row["guest_id"]): row["balance"] for row in rows}


async def has_entries(unit: UnitOfWork) -> bool:
    """Return whether anything was ever booked."""
    return await unit.maybe("SELECT 1 FROM entry LIMIT 1") is not None


async def list_statement(
    unit: UnitOfWork, *, guest_id: UUID, before: int | None, limit: int
) -> list[Row]:
    """Return a guest's entries, newest first, older than entry `before`."""
    return await unit.all(
        """
        SELECT entry.id, entry.amount, entry.balance_after AS balance, booking.kind, booking.at,
               booking.reference
        FROM entry JOIN booking ON booking.id = entry.booking_id
        WHERE entry.account_id = %s AND (%s::bigint IS NULL OR entry.id < %s)
        ORDER BY entry.id DESC LIMIT %s
        """,
        (guest_account(guest_id), before, before, limit),
    )
