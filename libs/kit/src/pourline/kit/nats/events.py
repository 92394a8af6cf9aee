"""Consuming events: parse, drop what was seen, hand runs of one type to their handler."""

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pourline.contracts.base import Envelope, Event, parse_event
from pourline.kit import telemetry
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import Malformed, Rejected
from pourline.kit.inbox import Arrival, Inbox
from pourline.kit.nats.consumer import Message

Handler = Callable[[Sequence[Any], UnitOfWork], Awaitable[None]]
"""Takes a run of one event type's envelopes, in order, inside the batch's transaction."""


class UnknownEvent(Malformed):
    """This version does not know this event: a newer one, beside it, reads it."""

    code = "unknown_event"


class EventConsumer:
    """Handles batches of events in one transaction each, every event once."""

    def __init__(
        self,
        *,
        database: Database,
        inbox: Inbox,
        handlers: Mapping[type[Event], Handler],
        after_commit: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._by_subject = {model.subject(): (model, run) for model, run in handlers.items()}
        self._after_commit = after_commit

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Take in `messages`; raises what parsing or a handler raises, after a rollback."""
        parsed = [(message, self._parse(message)) for message in messages]
        parent = messages[0].headers.get("traceparent")
        with telemetry.span("events handle", parent=parent):
            async with self._database.transaction() as unit:
                arrivals = [_arrival(message, event) for message, event in parsed]
                fresh = await self._inbox.unseen(unit, arrivals)
                todo = [event for _, event in parsed if _first_time(event.id, fresh)]
                await self._handle(todo, unit)
        self._inbox.committed()
        if self._after_commit:
            self._after_commit()

    async def _handle(self, todo: Sequence[Envelope[Any]], unit: UnitOfWork) -> None:
        """Hand runs of one type to their handlers. What has happened is not refused: it waits."""
        for type_, run in itertools.groupby(todo, key=lambda event: event.data.subject()):
            _, handler = self._by_subject[type_]
            try:
                await handler(list(run), unit)
            except Rejected as error:
                raise Malformed(f"{error.wire_code}: {error.detail}") from error

    def _parse(self, message: Message) -> Envelope[Any]:
        if message.subject not in self._by_subject:
            raise UnknownEvent(f"This version does not know {message.subject}.")
        return parse_event(self._by_subject[message.subject][0], message.data)


def _first_time(msg_id: str, fresh: set[str]) -> bool:
    """Return whether `msg_id` is fresh, and count it as seen: a batch may hold it twice."""
    if msg_id not in fresh:
        return False
    fresh.discard(msg_id)
    return True


def _arrival(message: Message, event: Envelope[Any]) -> Arrival:
    seq = int(message.headers.get("Pourline-Seq", "0"))
    return Arrival(msg_id=event.id, producer=event.source, seq=seq)
