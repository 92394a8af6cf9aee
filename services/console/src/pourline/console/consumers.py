"""The console's NATS edge: events and live flow go to the board, by plain subscriptions.

Nothing here is acknowledged or kept: a board that missed something asks its owners again.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from pourline.console.store import Board, Link, Revocations, StockFeed
from pourline.contracts.base import Envelope, Event, parse_event
from pourline.contracts.cellar import KegConnected, KegDisconnected, KegLevelChanged
from pourline.contracts.device import PAYLOAD_BYTES_MAX, FlowReport
from pourline.contracts.guests import AccessDenied, LockReleased, LockTaken
from pourline.contracts.money import PourAccepted, PourHeld, PriceChanged
from pourline.contracts.pack import bodies
from pourline.contracts.staff import TokensRevoked
from pourline.contracts.stock import StockChanged
from pourline.contracts.subjects import FLOW, device_of
from pourline.contracts.taps import ConfigChanged, TapRegistered, TapStateChanged

EVENTS: tuple[type[Event], ...] = (
    TapRegistered,
    TapStateChanged,
    ConfigChanged,
    LockTaken,
    LockReleased,
    PourAccepted,
    PourHeld,
    PriceChanged,
    KegConnected,
    KegDisconnected,
    KegLevelChanged,
)
"""What changes the page."""

log = logging.getLogger(__name__)


async def subscribe(bus: Client, board: Board, revocations: Revocations, stock: StockFeed) -> None:
    """Feed what is kept in memory from the bus; the subscriptions survive a reconnect."""
    stock.times_made = lambda: int(bus.stats["reconnects"])
    await bus.subscribe(StockChanged.subject(), cb=_events(stock.hear, StockChanged))
    board.bus = Link(
        is_up=lambda: bus.is_connected,
        times_made=lambda: int(bus.stats["reconnects"]),
    )
    for model in EVENTS:
        await bus.subscribe(model.subject(), cb=_events(board.hear, model))
    await bus.subscribe(AccessDenied.subject(), cb=_events(board.refuse, AccessDenied))
    await bus.subscribe("evt.>", cb=_news(board))
    await bus.subscribe(TokensRevoked.subject(), cb=_events(_of(revocations), TokensRevoked))
    await bus.subscribe(FLOW, cb=_flows(board))


def _of(revocations: Revocations) -> Callable[[Envelope[Any]], None]:
    def hear(event: Envelope[Any]) -> None:
        revocations.hear(event.data)

    return hear


def _news(board: Board) -> Callable[[Msg], Awaitable[None]]:
    async def hear(message: Msg) -> None:
        board.news_of(message.subject.removeprefix("evt."))

    return hear


def _events(
    heard: Callable[[Envelope[Any]], None], model: type[Event]
) -> Callable[[Msg], Awaitable[None]]:
    async def hear(message: Msg) -> None:
        try:
            for body in bodies(message.subject, message.data, message.headers):
                heard(parse_event(model, body))
        except ValueError:
            log.warning("event_unreadable", extra={"subject": message.subject})

    return hear


def _flows(board: Board) -> Callable[[Msg], Awaitable[None]]:
    async def show(message: Msg) -> None:
        if len(message.data) > PAYLOAD_BYTES_MAX:
            return
        try:
            report = FlowReport.model_validate_json(message.data)
        except ValidationError:
            log.warning("flow_unreadable", extra={"subject": message.subject})
            return
        board.flow(device_of(message.subject).device_id, report)

    return show
