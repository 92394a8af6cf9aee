"""The ledger's MQTT edge: decode pours, take them in, answer each tap."""

import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import orjson
from nats.aio.client import Client
from pydantic import ValidationError

from pourline.contracts.base import id_in
from pourline.contracts.device import PAYLOAD_BYTES_MAX, PourReport
from pourline.contracts.subjects import device_of, pour_result
from pourline.kit import telemetry
from pourline.kit.clock import Clock
from pourline.kit.errors import first_fault
from pourline.kit.ids import parse_id
from pourline.kit.nats import Message
from pourline.ledger.domain import Report
from pourline.ledger.handlers.pours import Answer, Broken
from pourline.upkeep.instruments import Instruments

TakeIn = Callable[[Sequence[Report | Broken]], Awaitable[list[Answer]]]
NOT_CONTENT = {"age_ms", "offline", "traceparent"}
"""What may differ between sendings of the same pour (contract, "Pours")."""
_CANONICAL_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class PourEdge:
    """Feeds batches of pour messages to the handler and publishes its answers."""

    def __init__(
        self, *, bus: Client, take_in: TakeIn, clock: Clock, instruments: Instruments
    ) -> None:
        self._bus = bus
        self._take_in = take_in
        self._clock = clock
        self._answered = instruments.counter("pourline_pours_answered_total")
        self._took = instruments.histogram("pourline_pour_answer_seconds")

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Take in `messages` and answer each after the commit."""
        parent = _trace_of(messages[0]) if len(messages) == 1 else None
        with telemetry.span("pours take in", parent=parent):
            answers = await self._take_in([decode(message) for message in messages])
            for answer in answers:
                subject = pour_result(answer.location, answer.tap_id)
                await self._bus.publish(subject, answer.result.wire())
        self._count(messages, answers)

    def _count(self, messages: Sequence[Message], answers: Sequence[Answer]) -> None:
        """Count a batch that was answered, once for all of it."""
        now = self._clock.now()
        self._took.observe((now - one.received_at).total_seconds() for one in messages)
        for status, count in Counter(one.result.status for one in answers).items():
            self._answered.add(status.value, by=count)


def decode(message: Message) -> Report | Broken:
    """Return the pour in `message`, or why it is none."""
    device = device_of(message.subject)
    if len(message.data) > PAYLOAD_BYTES_MAX:
        return _broken(message, f"message is over {PAYLOAD_BYTES_MAX} bytes")
    try:
        pour = PourReport.read(message.data)
    except ValidationError as error:
        return _broken(message, first_fault(error))
    return Report(
        client_tx_id=pour.client_tx_id,
        short_id=pour.short_id,
        tap_id=device.device_id,
        location=device.location,
        volume_ml=pour.volume_ml,
        received_at=message.received_at,
        grant_id=_canonical_id(pour.grant_id),
        request_id=pour.request_id,
        visit_id=_canonical_id(pour.visit_id),
        card_uid=pour.card_uid,
        started_at=pour.started_at,
        ended_at=pour.ended_at,
        duration_ms=pour.duration_ms,
        age_ms=pour.age_ms,
        pulses=pour.pulses,
        offline=bool(pour.offline),
        digest=digest_of(pour, device.device_id),
    )


def _canonical_id(text: str | None) -> str | None:
    """Return an id as we write it; one that is none names nothing and stays as it is."""
    if not text or _CANONICAL_ID.fullmatch(text):
        return text  # nearly always: a device repeats what it was given
    found = parse_id(text)
    return str(found) if found else text


def digest_of(pour: PourReport, tap_id: str) -> bytes:
    """Return the SHA-256 of a pour's content, so that a repeat is told from another pour."""
    content = pour.model_dump_json(exclude=NOT_CONTENT, exclude_none=True)
    return hashlib.sha256(f"{tap_id}:{content}".encode()).digest()


def _broken(message: Message, reason: str) -> Broken:
    device = device_of(message.subject)
    return Broken(
        subject=message.subject,
        tap_id=device.device_id,
        location=device.location,
        payload=message.data,
        client_tx_id=id_in(message.data, "client_tx_id"),
        reason=reason,
        received_at=message.received_at,
    )


def _trace_of(message: Message) -> str | None:
    """Return the trace that the device began, if it did."""
    try:
        found = orjson.loads(message.data).get("traceparent")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return found if isinstance(found, str) else None
