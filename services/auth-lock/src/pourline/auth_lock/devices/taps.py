"""Cards and status: decode, call the handler, answer the tap."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from pourline.auth_lock.domain import Denied, Deny
from pourline.auth_lock.handlers.answers import Asked, denial
from pourline.auth_lock.handlers.taps import take_status
from pourline.auth_lock.store.taps import StatusWord
from pourline.contracts.base import id_in
from pourline.contracts.device import (
    PAYLOAD_BYTES_MAX,
    AuthorizeRequest,
    AuthorizeResult,
    TapStatus,
)
from pourline.contracts.subjects import authorize_result, device_of
from pourline.contracts.topology import AUTHORIZE_DELIVERY
from pourline.kit import telemetry
from pourline.kit.clock import Clock
from pourline.kit.db import Database
from pourline.kit.errors import first_fault
from pourline.kit.nats import Message
from pourline.kit.nats.consumer import SetAside, message_of
from pourline.upkeep.instruments import Instruments

IN_FLIGHT_MAX = 64
"""Cards worked on at once; more taps than this rarely ask in the same instant."""

log = logging.getLogger(__name__)


class AuthorizeEdge:
    """Answers cards as they come, side by side."""

    def __init__(
        self,
        *,
        bus: Client,
        authorize: Callable[[Asked], Awaitable[AuthorizeResult]],
        clock: Clock,
        instruments: Instruments,
        ready: asyncio.Event,
    ) -> None:
        self._bus = bus
        self._authorize = authorize
        self._ready = ready
        self._clock = clock
        self._answered = instruments.counter("pourline_authorize_answered_total")
        self._took = instruments.histogram("pourline_authorize_seconds")
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to take cards; several instances share them. None is answered until `ready`."""
        await self._bus.subscribe(AUTHORIZE_DELIVERY, queue="auth-lock", cb=self._receive)

    async def _receive(self, raw: Msg) -> None:
        await self._slots.acquire()
        task = asyncio.create_task(self._answer(message_of(raw)))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()):
            log.error("authorize_failed", exc_info=error)

    async def _answer(self, message: Message) -> None:
        await self._ready.wait()
        device = device_of(message.subject)
        try:
            request = _parse(message.data)
        except ValidationError as error:
            answer = _bad_request(message.data, first_fault(error))
        else:
            asked = Asked(
                tap_id=device.device_id,
                location=device.location,
                request=request,
                received_at=message.received_at,
            )
            with telemetry.span("authorize", parent=request.traceparent):
                answer = await self._authorize(asked)
        if answer:
            subject = authorize_result(device.location, device.device_id)
            await self._bus.publish(subject, answer.wire())
            self._answered.add(answer.decision.value, answer.reason)
            self._took.observe([(self._clock.now() - message.received_at).total_seconds()])


def _parse(payload: bytes) -> AuthorizeRequest:
    if len(payload) > PAYLOAD_BYTES_MAX:
        payload = b"null"
    return AuthorizeRequest.model_validate_json(payload)


def _bad_request(payload: bytes, fault: str) -> AuthorizeResult | None:
    """Answer a request that is none, if its id can still be read: a tap matches answers by it."""
    request_id = id_in(payload, "request_id")
    if request_id is None:
        return None
    return denial(request_id, Denied(reason=Deny.BAD_REQUEST, message=fault))


class StatusEdge:
    """Feeds batches of tap status to the handler; garbage is set aside."""

    def __init__(self, *, database: Database, set_aside: SetAside) -> None:
        self._database = database
        self._set_aside = set_aside

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Take in `messages`; an empty one clears the retained status and says nothing."""
        reports = []
        for message in messages:
            if not message.data:
                continue
            if len(message.data) > PAYLOAD_BYTES_MAX:
                await self._set_aside(message, f"message is over {PAYLOAD_BYTES_MAX} bytes", 1)
                continue
            try:
                status = TapStatus.model_validate_json(message.data)
            except ValidationError as error:
                await self._set_aside(message, f"malformed: {first_fault(error)}", 1)
                continue
            reports.append(
                StatusWord(
                    tap_id=device_of(message.subject).device_id,
                    seq=message.sequence,
                    at=message.received_at,
                    status=status,
                )
            )
        async with self._database.transaction() as unit:
            await take_status(unit, reports)
