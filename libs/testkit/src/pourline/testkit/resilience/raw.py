"""Raw taps: pours as plain messages, repeated, out of order, days late, and broken ones.

A raw tap does what a device must: it sends a pour again until it has a status.
"""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from pourline.controller.simulator import Fleet
from pourline.testkit.resilience.truth import Poured

DAY_MS: Final = 24 * 3600 * 1000
AGAIN_AFTER_S: Final = 1.0
SWEEP_S: Final = 0.1
LATE_SHARE: Final = 0.03
REPEATED_SHARE: Final = 0.05
COPIES: Final = 5
JUMBLED_SHARE: Final = 0.2
POISON_SHARE: Final = 0.01
RATE_ML_S: Final = 60

Answer = dict[str, object]


class Answers:
    """Every status that any tap heard, by `client_tx_id`."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Answer]] = defaultdict(list)

    def __call__(self, tap_id: str, name: str, payload: bytes) -> None:
        """Hear a message to a tap."""
        del tap_id
        if name == "pour/result":
            answer = json.loads(payload, parse_float=Decimal)
            self.heard[str(answer.get("client_tx_id"))].append(answer)

    def has(self, client_tx_id: str) -> bool:
        """Return whether a pour has its status."""
        return client_tx_id in self.heard


@dataclass(slots=True)
class Message:
    """A message to send `at_s` seconds into the load; `client_tx_id` is empty if unreadable."""

    at_s: float
    tap_id: str
    client_tx_id: str
    fields: dict[str, object] = field(default_factory=dict)
    payload: bytes = b""
    copies: int = 1
    truth: Poured | None = None
    first_s: float = 0.0
    last_s: float = 0.0


Sending = tuple[float, Message]
"""When a message is sent, seconds into the load, and which."""


@dataclass(frozen=True, kw_only=True)
class RawSeat:
    """A raw tap, the visit that pours there and the price of what runs."""

    tap_id: str
    visit_id: str
    price_per_litre: int


def plan(
    dice: random.Random, fleet: Fleet, seats: Sequence[RawSeat], *, pours: int, over_s: float
) -> list[Message]:
    """Return what the taps will say, in the order of saying it."""
    messages = [
        _message(dice, fleet, seats[number % len(seats)], number * over_s / pours, over_s)
        for number in range(pours)
    ]
    return sorted(messages, key=lambda one: one.at_s)


def in_order(messages: Sequence[Message]) -> list[Sending]:
    """Return each message once, at its time."""
    return [(message.at_s, message) for message in messages]


def in_any_order(
    dice: random.Random, messages: Sequence[Message], *, copies: int, window: int, over_s: float
) -> list[Sending]:
    """Return each message `copies` times, none later than `window` places after its own."""
    several = [message for message in messages for _ in range(copies)]
    places = [number + dice.uniform(0, window) for number in range(len(several))]
    order = sorted(range(len(several)), key=places.__getitem__)
    return [(place * over_s / len(several), several[number]) for place, number in enumerate(order)]


def _message(
    dice: random.Random, fleet: Fleet, seat: RawSeat, ended_s: float, over_s: float
) -> Message:
    at_s, age_ms = ended_s, 0
    if dice.random() < JUMBLED_SHARE:
        at_s = dice.uniform(ended_s, over_s)
        age_ms = int((at_s - ended_s) * 1000)
    if dice.random() < LATE_SHARE:
        age_ms += dice.randint(1, 7) * DAY_MS
    volume_ml = dice.randint(20, 300)
    fields = fleet.new_pour(
        seat.tap_id,
        {
            "visit_id": seat.visit_id,
            "volume_ml": volume_ml,
            "duration_ms": volume_ml * 1000 // RATE_ML_S,
            "age_ms": age_ms,
        },
    )
    message = Message(at_s, seat.tap_id, str(fields["client_tx_id"]), fields)
    if dice.random() < POISON_SHARE:
        return _poisoned(dice, message)
    message.copies = COPIES if dice.random() < REPEATED_SHARE else 1
    message.truth = Poured(
        client_tx_id=message.client_tx_id,
        tap_id=seat.tap_id,
        visit_id=seat.visit_id,
        volume_ml=Decimal(volume_ml),
        price_per_litre=seat.price_per_litre,
    )
    return message


def _poisoned(dice: random.Random, message: Message) -> Message:
    """Break a message in one of the ways in which devices do."""
    fields = message.fields
    match dice.randrange(4):
        case 0:
            message.payload, message.client_tx_id = json.dumps(fields).encode()[:-20], ""
        case 1:
            message.payload, message.client_tx_id = b"[1, 2]", ""
        case 2:
            message.fields = fields | {"volume_ml": "plenty"}
        case _:
            message.fields = fields | {"padding": "x" * 9_000}
    return message


class RawTaps:
    """Sends a plan at its pace and everything again until it is answered."""

    def __init__(self, fleet: Fleet, answers: Answers) -> None:
        self._fleet = fleet
        self._answers = answers
        self._waiting: list[Message] = []
        self.clock_ahead = timedelta()
        """How far the taps' own clocks are off; while they are, pours tell what they show."""
        self.sent: list[Message] = []

    @property
    def unanswered(self) -> list[Message]:
        """What was sent and has no status."""
        self._waiting = [one for one in self._waiting if not self._answers.has(one.client_tx_id)]
        return self._waiting

    async def pour(self, sendings: Sequence[Sending]) -> None:
        """Send everything at its time."""
        begun_s = time.monotonic()
        for at_s, message in sendings:
            await asyncio.sleep(max(0.0, begun_s + at_s - time.monotonic()))
            if not message.first_s:
                self._begin(message)
            for _ in range(message.copies):
                self._send(message)

    def _begin(self, message: Message) -> None:
        """Take note of a message that is sent for the first time."""
        message.first_s = time.monotonic()
        self._tell_time(message)
        self.sent.append(message)
        if message.client_tx_id:
            self._waiting.append(message)

    async def repeat(self) -> None:
        """Send again what has no status; until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            due_s = time.monotonic() - AGAIN_AFTER_S
            for message in self.unanswered:
                if message.last_s <= due_s:
                    self._send(message)

    def _tell_time(self, message: Message) -> None:
        if not self.clock_ahead or message.payload:
            return
        ended_at = datetime.now(UTC) + self.clock_ahead
        message.fields |= {
            "started_at": (ended_at - timedelta(seconds=1)).isoformat(),
            "ended_at": ended_at.isoformat(),
        }

    def _send(self, message: Message) -> None:
        message.last_s = time.monotonic()
        body: bytes | dict[str, object] = message.payload
        if not message.payload:
            age_ms = message.fields["age_ms"]
            assert isinstance(age_ms, int)
            waited_ms = int((message.last_s - message.first_s) * 1000)
            body = message.fields | {"age_ms": age_ms + waited_ms}
        self._fleet.publish(message.tap_id, "pour", body)
