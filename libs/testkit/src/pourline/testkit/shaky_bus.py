"""A bus for tests that keeps, loses, doubles and shuffles what it is given, as it is told to.

It has the few methods that outbox, batch consumer, gap watch and retelling use of the real client.
"""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from nats.aio.msg import Msg

ACK = "$JS.ACK"


class Crashed(BaseException):
    """The process ended here, without another word."""


@dataclass(kw_only=True)
class Stored:
    """A message on the stream."""

    number: int
    subject: str
    data: bytes
    headers: dict[str, str]


@dataclass
class Ask:
    """A request, as far as an answerer looks at it."""

    data: bytes
    answers: list[bytes] = field(default_factory=list)

    async def respond(self, answer: bytes) -> None:
        """Keep the answer for who asked."""
        self.answers.append(answer)


class ShakyBus:
    """One stream with one durable consumer."""

    def __init__(self) -> None:
        self.stats = {"reconnects": 0}
        self.stream: dict[int, Stored] = {}
        self.unacknowledged: list[Stored] = []
        self.crash_before: int | None = None
        """How many more messages are acknowledged before whoever publishes dies."""
        self.stores_the_last = False
        """Whether the one at which it dies is stored: then nobody hears of it."""
        self.crash_at_ack: int | None = None
        """How many more acknowledgements are heard before whoever reads dies."""
        self._numbers = itertools.count(1)
        self._known: set[str] = set()
        self._listeners: dict[str, Callable[..., Awaitable[None]]] = {}

    async def subscribe(
        self, subject: str, queue: str = "", cb: Callable[..., Awaitable[None]] | None = None
    ) -> None:
        """Call `cb` with what is said on `subject`."""
        del queue
        if cb:
            self._listeners[subject] = cb

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Store a message and acknowledge it, or hear that one is acknowledged.

        Raises `Crashed` when its time has come.
        """
        if subject.startswith(ACK):
            if not payload:  # else it is still worked on
                self._acknowledged(int(subject.split(".")[5]))
            return
        if self.crash_before == 0:
            self.crash_before = None
            if self.stores_the_last:
                self._store(subject, payload, headers or {})
            raise Crashed
        if self.crash_before is not None:
            self.crash_before -= 1
        self._store(subject, payload, headers or {})
        told = Msg(self, subject=reply, data=b'{"stream":"EVENTS"}')  # type: ignore[arg-type]
        await next(cb for one, cb in self._listeners.items() if one.endswith(".*.*"))(told)

    async def request(self, subject: str, body: bytes = b"", timeout: float = 1.0) -> Ask:  # noqa: ASYNC109 the client's own
        """Answer for the stream and its consumer, or let a subscriber answer."""
        del timeout
        if subject.startswith("$JS.API"):
            return Ask(orjson.dumps(self._state()))
        ask = Ask(body)
        await self._listeners[subject](ask)
        return Ask(ask.answers[0])

    def delivered(self, batch: Sequence[Stored], *, deliveries: int = 1) -> list[Msg]:
        """Return messages as the client hands them on, each delivered so often by now."""
        now_ns = int(datetime.now(UTC).timestamp() * 1e9)
        return [
            Msg(
                self,  # type: ignore[arg-type]
                subject=one.subject,
                reply=f"{ACK}.EVENTS.reader.{deliveries}.{one.number}.{one.number}.{now_ns}.0",
                data=one.data,
                headers=one.headers,
            )
            for one in batch
        ]

    def forget(self, number: int) -> None:
        """Lose one message."""
        gone = self.stream.pop(number)
        self.unacknowledged = [one for one in self.unacknowledged if one is not gone]

    def two_minutes_pass(self) -> None:
        """Forget which ids were stored, as the real bus does after its duplicate window."""
        self._known.clear()

    def wipe(self) -> None:
        """Lose everything."""
        self.stream.clear()
        self.unacknowledged.clear()
        self._known.clear()

    def _store(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        if headers["Nats-Msg-Id"] in self._known:
            return
        self._known.add(headers["Nats-Msg-Id"])
        number = next(self._numbers)
        stored = Stored(number=number, subject=subject, data=payload, headers=headers)
        self.stream[number] = stored
        self.unacknowledged.append(stored)

    def _acknowledged(self, number: int) -> None:
        if self.crash_at_ack == 0:
            self.crash_at_ack = None
            raise Crashed
        if self.crash_at_ack is not None:
            self.crash_at_ack -= 1
        self.unacknowledged = [one for one in self.unacknowledged if one.number != number]

    def _state(self) -> dict[str, object]:
        floor = min((one.number for one in self.unacknowledged), default=1) - 1
        return {
            "state": {"last_seq": max(self.stream, default=0)},
            "num_pending": len(self.unacknowledged),
            "num_ack_pending": 0,
            "ack_floor": {"stream_seq": floor},
        }
