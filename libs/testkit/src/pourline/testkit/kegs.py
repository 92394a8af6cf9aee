"""A keg-fifo with two taps and a beverage, for its tests."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from pourline.contracts.base import Envelope
from pourline.contracts.cellar import (
    Beverage,
    ConnectKeg,
    CreateBeverage,
    DisconnectKeg,
    Disposition,
    Keg,
    KegSuggestion,
    ListKegs,
    ReceiveKeg,
    SuggestKeg,
)
from pourline.contracts.device import PourStatus
from pourline.contracts.money import PourAccepted, PourSettled
from pourline.contracts.taps import TapRegistered
from pourline.keg_fifo.handlers import kegs, takings
from pourline.keg_fifo.invariants import INVARIANTS
from pourline.kit.db import Database, Row
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock

STAFF = Context(actor="anna", level=2)


@dataclass(kw_only=True)
class Kegs:
    """A keg-fifo with two taps and a beverage."""

    database: Database
    clock: FakeClock
    pils: Beverage
    ale: Beverage

    async def receive(
        self, volume_ml: int = 50_000, *, beverage: Beverage | None = None, days_ago: int = 0
    ) -> Keg:
        """Take a keg into stock."""
        order = ReceiveKeg(
            beverage_id=(beverage or self.pils).id,
            volume_ml=Decimal(volume_ml),
            received_at=self.clock.now() - timedelta(days=days_ago),
        )
        async with self.database.transaction() as unit:
            return await kegs.receive_keg(order, unit, STAFF)

    async def connect(self, keg: Keg, tap_id: str = "1") -> Keg:
        """Connect a keg to a tap."""
        async with self.database.transaction() as unit:
            order = ConnectKeg(tap_id=tap_id, keg_id=keg.id)
            return await kegs.connect_keg(order, unit, STAFF)

    async def disconnect(self, tap_id: str, disposition: Disposition | None = None) -> Keg:
        """Take a tap's keg off."""
        order = DisconnectKeg(tap_id=tap_id, disposition=disposition or Disposition.IN_STOCK)
        async with self.database.transaction() as unit:
            return await kegs.disconnect_keg(order, unit, STAFF)

    async def refusal(self, keg: Keg, tap_id: str = "1") -> str:
        """Return the code with which connecting is refused."""
        with pytest.raises(Rejected) as refused:
            await self.connect(keg, tap_id)
        return refused.value.wire_code

    async def pour(self, *pours: PourSettled) -> None:
        """Hear of pours, in one batch."""
        events = [
            Envelope[PourSettled](
                id=str(new_id()),
                type=f"{one.TYPE}.v1",
                source="ledger",
                subject="x",
                time=self.clock.now(),
                aggregate="x",
                version=1,
                data=one,
            )
            for one in pours
        ]
        async with self.database.transaction() as unit:
            await takings.take_pours(events, unit)

    def poured(
        self, volume_ml: int, *, began: datetime | None = None, **more: object
    ) -> PourAccepted:
        """Return a pour as the ledger tells it."""
        began = began or self.clock.now()
        fields: dict[str, Any] = {
            "client_tx_id": str(new_id()),
            "tap_id": "1",
            "location": "main",
            "volume_ml": Decimal(volume_ml),
            "amount": 0,
            "status": PourStatus.ACCEPTED,
            "started_at": began,
            "ended_at": began,
            "received_at": self.clock.now(),
            "accepted_at": self.clock.now(),
        }
        return PourAccepted(**(fields | more))

    async def now(self, keg: Keg) -> Keg:
        """Return a keg as it is."""
        async with self.database.transaction() as unit:
            listed = await kegs.list_kegs(ListKegs(), unit, STAFF)
        return next(one for one in listed.items if one.id == keg.id)

    async def left(self, *asked: Keg) -> list[Decimal]:
        """Return what is left in kegs."""
        return [(await self.now(keg)).remaining_ml for keg in asked]

    async def suggestion(self, beverage: Beverage) -> KegSuggestion:
        """Return what is suggested."""
        async with self.database.transaction() as unit:
            return await kegs.suggest_keg(SuggestKeg(beverage_id=beverage.id), unit, STAFF)

    async def rows(self, sql: str) -> list[Row]:
        """Run a query."""
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """Return what was announced on a subject."""
        rows = await self.rows("SELECT subject, payload FROM outbox ORDER BY id")
        return [orjson.loads(one["payload"])["data"] for one in rows if one["subject"] == kind]

    def later(self, minutes: int = 10) -> datetime:
        """Let time pass."""
        self.clock.advance(minutes=minutes)
        return self.clock.now()


@contextlib.asynccontextmanager
async def open_kegs(url: str, clock: FakeClock) -> AsyncIterator[Kegs]:
    """Open a cellar on its database; its invariants must hold at the end."""
    database = Database(url=url, service="keg-fifo", clock=clock)
    await database.open()
    made = []
    async with database.transaction() as unit:
        for name in ("Pils", "Ale"):
            order = CreateBeverage(name=name, kind="beer", price_per_litre=900)
            made.append(await kegs.create_beverage(order, unit, STAFF))
        taps = [registered(tap_id, clock.now()) for tap_id in ("1", "2")]
        await kegs.know_taps(taps, unit)
    cellar = Kegs(database=database, clock=clock, pils=made[0], ale=made[1])
    yield cellar
    broken = [
        rule.name
        for rule in INVARIANTS
        if rule.name != "outbox_is_published" and await cellar.rows(rule.sql)
    ]
    assert broken == []
    await database.close()


def registered(tap_id: str, at: datetime) -> Envelope[TapRegistered]:
    """Return a new tap as auth-lock tells it."""
    return Envelope(
        id=str(new_id()),
        type="tap.registered.v1",
        source="auth-lock",
        subject="x",
        time=at,
        aggregate="x",
        version=1,
        data=TapRegistered(tap_id=tap_id, name=tap_id, location="main"),
    )
