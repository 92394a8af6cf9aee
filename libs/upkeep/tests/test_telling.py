"""Of last words the newest stays, although a teller stood still with an older one in hand."""

import asyncio
from collections.abc import Sequence
from typing import cast

import psycopg
import pytest
from pourline.kit.db import Database, UnitOfWork
from pourline.testkit.ending import end
from pourline.testkit.until import until
from pourline.upkeep.mqtt import MqttLink
from pourline.upkeep.telling import LOCK_KEY, Retained, RetainedTeller

TOPIC = "bar/main/tap/1/state"


class OneTap:
    """A tap's state with its version, as the stores of services keep it."""

    def __init__(self) -> None:
        self.version, self.told = 1, 0

    async def untold(self, unit: UnitOfWork) -> list[Retained]:
        if self.told >= self.version:
            return []
        said = f"state {self.version}".encode()
        return [Retained(key="1", version=self.version, topic=TOPIC, payload=said)]

    async def mark_told(self, unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
        self.told = max(self.told, *(version for _, version in told))

    async def tell_all_again(self, unit: UnitOfWork) -> None:
        self.told = 0


class Broker:
    """Keeps the last word; a link to it may stand still with one in hand."""

    def __init__(self) -> None:
        self.last = b""
        self.stands_still, self.goes_on = asyncio.Event(), asyncio.Event()

    async def publish(self, topic: str, payload: bytes) -> None:
        self.last = payload

    def slow(self) -> "SlowLink":
        return SlowLink(self)


class SlowLink:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def publish(self, topic: str, payload: bytes) -> None:
        self._broker.stands_still.set()
        await self._broker.goes_on.wait()
        await self._broker.publish(topic, payload)


def take_the_lead_away(url: str) -> None:
    """Do what `idle_session_timeout` does to who stands still."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND objid = %s AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (LOCK_KEY,),
        )


@pytest.mark.parametrize("newer", [2, 3])
async def test_what_a_zombie_tells_late_does_not_stay(
    database: Database, database_url: str, newer: int
) -> None:
    tap, broker = OneTap(), Broker()
    zombie, successor = (
        RetainedTeller(database=database, publisher=cast("MqttLink", link), store=tap)
        for link in (broker.slow(), broker)
    )

    async def last() -> bytes:
        return broker.last

    async def is_told() -> bool:
        return tap.told == tap.version

    dead = asyncio.create_task(zombie.run())
    await broker.stands_still.wait()
    living = asyncio.create_task(successor.run())
    tap.version = newer
    take_the_lead_away(database_url)
    await until(is_told)
    assert broker.last == f"state {newer}".encode()

    broker.goes_on.set()
    await until(last, lambda said: said == b"state 1")
    await until(last, lambda said: said == f"state {newer}".encode())

    await end(dead, living)
