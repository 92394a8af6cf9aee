"""The stock that is watched: what a change is called, who may go on, who begins anew."""

import json
from datetime import UTC, datetime

import pytest
from pourline.console.api.stream import StockStream
from pourline.console.store import StockFeed
from pourline.console.store.stock import BREACH, TOGGLED, UPDATED, kinds_of
from pourline.contracts.base import Command, Listing
from pourline.contracts.base import Message as Contract
from pourline.contracts.stock import InventoryRow
from pourline.kit.errors import Retryable
from pourline.kit.nats import Caller

AT = datetime(2026, 5, 1, 20, tzinfo=UTC)


def row(stock: int = 10, version: int = 1, **fields: object) -> InventoryRow:
    values: dict[str, object] = {
        "item_id": "gin",
        "name": "Gin",
        "unit": "ml",
        "current_stock": stock,
        "low_stock": stock <= 5,
        "negative": stock < 0,
        "tracking_enabled": True,
        "last_activity_at": AT,
        "low_stock_threshold": 5,
        "version": version,
    }
    return InventoryRow.model_validate(values | fields)


class FakeLedger(Caller):
    def __init__(self, *rows: InventoryRow) -> None:
        self.rows = rows

    async def ask(self, command: Command, answer: type[Contract], *, actor: str = "") -> Contract:  # type: ignore[override]
        del command, actor
        return answer.model_validate_json(Listing[InventoryRow](items=list(self.rows)).wire())


async def a_feed(*rows: InventoryRow, changes_max: int = 3) -> StockFeed:
    feed = StockFeed(changes_max=changes_max)
    await feed.load(FakeLedger(*rows))
    return feed


def told(feed: StockFeed, place: int) -> list[tuple[str, int]]:
    found = [text.decode().split("\n") for text in feed.after(place)]
    return [(lines[1][7:], json.loads(lines[2][6:])["current_stock"]) for lines in found]


def last_id(feed: StockFeed) -> str:
    return feed.snapshot().text.decode().split("\n")[0].removeprefix("id: ")


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (None, row(), [UPDATED]),
        (None, row(3), [UPDATED, BREACH]),
        (None, row(0, last_activity_at=None), [UPDATED]),
        (row(), row(6), [UPDATED]),
        (row(), row(5), [UPDATED, BREACH]),
        (row(5), row(-1), [UPDATED]),
        (row(5), row(9), [UPDATED]),
        (row(), row(tracking_enabled=False), [TOGGLED]),
        (row(), row(5, tracking_enabled=False), [TOGGLED, UPDATED, BREACH]),
        (row(), row(low_stock_threshold=20, low_stock=True), [UPDATED, BREACH]),
        (row(), row(name="Rum"), [UPDATED]),
    ],
)
@pytest.mark.requirement("RT-1")
def test_a_change_is_told_as_what_it_is(
    before: InventoryRow | None, after: InventoryRow, kinds: list[str]
) -> None:
    assert kinds_of(before, after) == kinds


async def test_the_first_rows_are_the_snapshot_and_no_change() -> None:
    feed = await a_feed(row())

    assert feed.newest == 0
    assert b'"current_stock":10' in feed.snapshot().text


async def test_an_older_word_and_a_repeat_are_no_news() -> None:
    feed = await a_feed(row(version=4))
    for version in (3, 4):
        feed.take(row(1, version=version))

    assert feed.newest == 0


@pytest.mark.requirement("RT-1")
async def test_who_was_away_for_a_while_goes_on_and_who_was_away_too_long_begins_anew() -> None:
    feed = await a_feed(row())
    began = last_id(feed)
    for version, stock in ((2, 9), (3, 8), (4, 7)):
        feed.take(row(stock, version=version))
    assert feed.place_of(began) == 0
    assert told(feed, 0) == [(UPDATED, 9), (UPDATED, 8), (UPDATED, 7)]
    assert told(feed, 2) == [(UPDATED, 7)]
    assert told(feed, 3) == []

    feed.take(row(6, version=5))

    assert feed.place_of(began) is None
    assert told(feed, 1) == [(UPDATED, 8), (UPDATED, 7), (UPDATED, 6)]


@pytest.mark.parametrize("name", [None, "", "x", "7", "-1", "é-²", "other-0", "-" * 400])
async def test_an_id_of_no_event_of_ours_begins_anew(name: str | None) -> None:
    feed = await a_feed(row())
    own = last_id(feed).rpartition("-")[0]

    assert feed.place_of(name) is None
    assert feed.place_of(f"{own}-{'9' * 30}") is None
    assert feed.place_of(f"{own}-0") == 0


@pytest.mark.requirement("RT-1")
async def test_what_the_bus_lost_is_told_after_the_next_load() -> None:
    feed = await a_feed(row(), changes_max=10)

    await feed.load(FakeLedger(row(4, version=9), row(item_id="rum", name="Rum")))

    assert told(feed, 0) == [(UPDATED, 4), (BREACH, 4), (UPDATED, 10)]


async def test_a_client_is_sent_a_snapshot_changes_heartbeats_and_an_end() -> None:
    feed = await a_feed(row())
    stream = StockStream(feed=feed, heartbeat_s=0.2)
    good = [True]
    events = stream._events(None, lambda: good[0])  # noqa: SLF001 the wire is walked in e2e

    assert await anext(events) == b"retry: 2000\n\n"
    assert b"event: snapshot\n" in await anext(events)
    feed.take(row(9, version=2))
    feed.take(row(5, version=3))
    assert (await anext(events)).count(b"event: ") == 3
    assert (await anext(events)).startswith(b":")
    feed.close()
    assert [piece async for piece in events] == []


async def test_without_the_ledger_nobody_can_watch() -> None:
    with pytest.raises(Retryable):
        await StockFeed(loaded_within_s=0.01).ensure()
