"""Many bare taps in one process: raw messages out, answers back, nothing stored.

For benches and resilience tests, which want control over every field and the answer's latency. The
reference controller, with its store and its rules, is `pourline.controller.tap`.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

import orjson
from uuid_utils.compat import uuid7

from pourline.controller import payloads
from pourline.controller.link import Broker, Hooks, Identity, Link

CONNECT_WITHIN_S: Final = 20.0
ASK_EVERY_S: Final = 1.0
SWEEP_S: Final = 0.25
DEFAULT_VOLUME_ML: Final = Decimal(300)

Fields = Mapping[str, object]
Answer = dict[str, object]


@dataclass(slots=True)
class Measured:
    """What a bulk of pours came to; latencies from publish to the first answer, milliseconds."""

    sent: int = 0
    resent: int = 0
    elapsed_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()

    @property
    def per_second(self) -> float:
        """Pours answered a second over the whole bulk."""
        return len(self.latencies_ms) / self.elapsed_s if self.elapsed_s else 0.0

    def percentile_ms(self, share: float) -> float:
        """Return the latency that this share (0 to 1) of the answers stayed within."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(slots=True)
class _Sent:
    tap_id: str
    fields: Fields
    first_s: float
    last_s: float


class _Bulk:
    """Pours under way in one call of `publish_pours`."""

    def __init__(self, *, keep_answers: bool) -> None:
        self.measured = Measured()
        self.waiting: dict[str, _Sent] = {}
        self.progress = asyncio.Event()
        self._keep_answers = keep_answers

    def answered(self, client_tx_id: str, answer: Answer) -> None:
        sent = self.waiting.pop(client_tx_id, None)
        if sent is None:
            return
        self.measured.latencies_ms.append((time.perf_counter() - sent.first_s) * 1000)
        self.measured.statuses[str(answer.get("status"))] += 1
        if self._keep_answers:
            self.measured.answers[client_tx_id] = answer
        self.progress.set()


class Fleet:
    """Connected taps. Use as an async context manager, or `start` and `stop` it.

    `heard` is told every message to any tap: tap id, topic name (`pour/result`, …), payload. The
    topics `state` and `command` come only with `with_orders`.
    """

    def __init__(
        self,
        *,
        mqtt_url: str,
        taps: Iterable[tuple[str, str]],
        location: str = "main",
        heard: Callable[[str, str, bytes], None] | None = None,
        with_orders: bool = False,
    ) -> None:
        self._broker = Broker.parse(mqtt_url)
        self._location = location
        self._heard = heard
        orders = ("state", "command") if with_orders else ()
        self._names = ("authorize/result", "pour/result", *orders)
        self._links = {tap_id: self._link(tap_id, secret) for tap_id, secret in taps}
        self._runs: list[asyncio.Task[None]] = []
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._bulks: list[_Bulk] = []
        self._short_ids: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self, *, within_s: float = CONNECT_WITHIN_S) -> None:
        """Connect all taps. Raises TimeoutError when one is not connected in time."""
        self._runs = [asyncio.create_task(link.run()) for link in self._links.values()]
        try:
            async with asyncio.timeout(within_s):
                for link in self._links.values():
                    await link.connected.wait()
        except TimeoutError:
            refused = {tap: link.refusal for tap, link in self._links.items() if not link.is_up}
            await self.stop()
            raise TimeoutError(f"not connected: {refused}") from None

    async def stop(self) -> None:
        """Disconnect all taps."""
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        self._runs = []

    def is_up(self, tap_id: str) -> bool:
        """Whether this tap is connected, as far as known."""
        return self._links[tap_id].is_up

    def publish(
        self, tap_id: str, name: str, payload: Fields | bytes, *, qos: int = 1, retain: bool = False
    ) -> bool:
        """Publish on one of a tap's topics, bytes as they are; False while it is not connected."""
        body = payload if isinstance(payload, bytes) else payloads.write(dict(payload))
        return self._links[tap_id].publish(self._topic(tap_id, name), body, qos=qos, retain=retain)

    async def authorize(
        self,
        tap_id: str,
        card_uid: str,
        *,
        fields: Fields | None = None,
        within_s: float = 5.0,
        again_after_s: float = ASK_EVERY_S,
    ) -> Answer:
        """Ask for a card, again and again with the same id. Raises TimeoutError unanswered."""
        body: Answer = {"request_id": str(uuid7()), "card_uid": card_uid, "age_ms": 0}
        body |= dict(fields or {})
        return await self._ask(
            str(body["request_id"]),
            lambda: self.publish(tap_id, "authorize", body),
            every_s=again_after_s,
            within_s=within_s,
        )

    async def pour(
        self,
        tap_id: str,
        fields: Fields | None = None,
        *,
        within_s: float = 30.0,
        again_after_s: float = 2.0,
    ) -> Answer:
        """Publish a pour until its answer comes. Raises TimeoutError unanswered.

        Unnamed fields get what `new_pour` gives; a field set to None is left out.
        """
        body = self.new_pour(tap_id, fields)
        return await self._ask(
            str(body["client_tx_id"]),
            lambda: self.publish(tap_id, "pour", body),
            every_s=again_after_s,
            within_s=within_s,
        )

    def new_pour(self, tap_id: str, fields: Fields | None = None) -> Answer:
        """Make a pour of 300 ml over five seconds that ended now, changed by the fields."""
        self._short_ids[tap_id] += 1
        pour: Answer = {
            "client_tx_id": str(uuid7()),
            "short_id": f"{self._short_ids[tap_id] % 1_000_000:06d}",
            "volume_ml": DEFAULT_VOLUME_ML,
            "duration_ms": 5_000,
            "age_ms": 0,
        }
        return pour | dict(fields or {})

    async def publish_pours(
        self,
        pours: Sequence[tuple[str, Fields]],
        *,
        window: int = 512,
        within_s: float = 60.0,
        again_after_s: float | None = None,
        keep_answers: bool = False,
    ) -> Measured:
        """Publish (tap id, pour) pairs, `window` at most unanswered at once; return what came.

        Pours must have a `client_tx_id`. Does not raise when answers are missing: see `unanswered`.
        """
        bulk = _Bulk(keep_answers=keep_answers)
        self._bulks.append(bulk)
        begun_s = time.perf_counter()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._pump(bulk, pours, window, again_after_s)
        self._bulks.remove(bulk)
        bulk.measured.elapsed_s = time.perf_counter() - begun_s
        bulk.measured.unanswered = tuple(bulk.waiting)
        return bulk.measured

    async def _pump(
        self,
        bulk: _Bulk,
        pours: Sequence[tuple[str, Fields]],
        window: int,
        again_after_s: float | None,
    ) -> None:
        position = 0
        while position < len(pours) or bulk.waiting:
            bulk.progress.clear()
            while position < len(pours) and len(bulk.waiting) < window:
                self._send(bulk, *pours[position])
                position += 1
            if bulk.waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SWEEP_S):
                        await bulk.progress.wait()
                self._send_again(bulk, again_after_s)

    def _send(self, bulk: _Bulk, tap_id: str, fields: Fields) -> None:
        now_s = time.perf_counter()
        bulk.waiting[str(fields["client_tx_id"])] = _Sent(tap_id, fields, now_s, now_s)
        bulk.measured.sent += 1
        self.publish(tap_id, "pour", fields)

    def _send_again(self, bulk: _Bulk, again_after_s: float | None) -> None:
        now_s = time.perf_counter()
        if again_after_s is None:
            return
        for sent in bulk.waiting.values():
            if now_s - sent.last_s >= again_after_s:
                sent.last_s = now_s
                bulk.measured.resent += 1
                self.publish(sent.tap_id, "pour", sent.fields)

    async def _ask(
        self, key: str, send: Callable[[], bool], *, every_s: float, within_s: float
    ) -> Answer:
        """Send until the answer to this id is there."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        try:
            async with asyncio.timeout(within_s):
                while not answer.done():
                    send()
                    await asyncio.wait([answer], timeout=every_s)
                return answer.result()
        finally:
            self._answers.pop(key, None)

    def _link(self, tap_id: str, secret: str) -> Link:
        identity = Identity(
            client_id=f"tap-{tap_id}",
            password=secret,
            subscriptions=tuple(self._topic(tap_id, name) for name in self._names),
        )

        def received(topic: str, payload: bytes) -> None:
            self._received(tap_id, topic.removeprefix(self._topic(tap_id, "")), payload)

        return Link(self._broker, identity, hooks=Hooks(message=received))

    def _topic(self, tap_id: str, name: str) -> str:
        return f"bar/{self._location}/tap/{tap_id}/{name}"

    def _received(self, tap_id: str, name: str, payload: bytes) -> None:
        if self._heard:
            self._heard(tap_id, name, payload)
        try:
            body = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return
        if not isinstance(body, dict) or not name.endswith("/result"):
            return
        key = str(body.get("client_tx_id" if name == "pour/result" else "request_id"))
        for bulk in self._bulks:
            bulk.answered(key, body)
        waiting = self._answers.get(key)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)
