"""A ledger on a real database with one guest, for tests of money."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from pourline.contracts.device import PourResult
from pourline.contracts.money import PlaceHold, TopUp, VoidHold
from pourline.kit.db import Database
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.ledger.domain import Report
from pourline.ledger.handlers import money
from pourline.ledger.handlers.pours import Broken, TakeInPours
from pourline.ledger.invariants import INVARIANTS
from pourline.ledger.store import copies
from pourline.testkit.clock import FakeClock

STAFF = Context(actor="anna", level=5)


@dataclass(kw_only=True)
class Books:
    """A ledger that knows one guest's visit, a tap with a keg, and a price."""

    database: Database
    clock: FakeClock
    guest: UUID
    visit: UUID
    beverage: UUID

    async def top_up(self, amount: int) -> int:
        """Pay in and return the balance."""
        async with self.database.transaction() as unit:
            order = TopUp(guest_id=str(self.guest), amount=amount)
            return (await money.top_up(order, unit, STAFF)).balance

    def hold_order(self, *, request_id: str = "request") -> PlaceHold:
        """Return an order to hold money for a pour of the guest at tap 1."""
        return PlaceHold(
            grant_id=str(new_id()),
            request_id=request_id,
            visit_id=str(self.visit),
            guest_id=str(self.guest),
            tap_id="1",
            location="main",
            price_per_litre=500,
            keg_limit_ml=Decimal(50_000),
            min_pour_ml=Decimal(50),
        )

    async def hold(self, *, request_id: str = "request") -> str:
        """Hold money and return the grant."""
        order = self.hold_order(request_id=request_id)
        async with self.database.transaction() as unit:
            await money.place_hold(order, unit, STAFF)
        return order.grant_id

    async def void(self, grant_id: str) -> None:
        """Give a grant's money free, as a force-unlock does."""
        order = VoidHold(grant_id=grant_id, visit_id=str(self.visit))
        async with self.database.transaction() as unit:
            await money.void_hold(order, unit, STAFF)

    async def pour(self, *reports: Report | Broken) -> list[PourResult]:
        """Take in a batch and return what its taps are told."""
        return [one.result for one in await TakeInPours(database=self.database)(reports)]

    async def balance_and_held(self) -> tuple[int, int]:
        """Return the guest's balance and what is held."""
        async with self.database.transaction() as unit:
            row = await unit.one(
                """
                SELECT (SELECT balance FROM account WHERE guest_id = %s) AS balance,
                       (SELECT coalesce(sum(amount), 0)::bigint FROM grant_hold
                        WHERE state IN ('pending', 'held')) AS held
                """,
                (self.guest,),
            )
        return row["balance"], row["held"]

    async def offenders(self) -> list[str]:
        """Return the invariants that do not hold."""
        async with self.database.transaction() as unit:
            return [
                rule.name
                for rule in INVARIANTS
                if rule.name != "outbox_is_published" and await unit.all(rule.sql)
            ]

    def report(self, client_tx_id: str, **changes: object) -> Report:
        """Return a pour of 300 ml at tap 1, changed as told."""
        fields: dict[str, object] = {
            "client_tx_id": client_tx_id,
            "short_id": "000001",
            "tap_id": "1",
            "location": "main",
            "volume_ml": Decimal(300),
            "received_at": self.clock.now(),
            "digest": client_tx_id.encode(),
        }
        return Report(**(fields | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def open_books(url: str, clock: FakeClock) -> AsyncIterator[Books]:
    """Open the books of a bar with one visit, one tap and one price, an hour old."""
    database = Database(url=url, service="ledger", clock=clock)
    await database.open()
    books = Books(database=database, clock=clock, guest=new_id(), visit=new_id(), beverage=new_id())
    before = clock.now() - timedelta(hours=1)
    async with database.transaction() as unit:
        await copies.save_visit(unit, visit_id=books.visit, guest_id=books.guest, opened_at=before)
        await copies.connect_keg(
            unit, tap_id="1", keg_id=new_id(), beverage_id=books.beverage, at=before
        )
        await copies.save_price(
            unit, beverage_id=books.beverage, from_at=before, price_per_litre=500
        )
    yield books
    await database.close()
