"""Spout pours over MQTT: decode, check the signature, take in, answer each device."""

import contextlib
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Sequence

from nats.aio.client import Client

from pourline.contracts.base import id_in
from pourline.contracts.device import PAYLOAD_BYTES_MAX, SpoutPourResult
from pourline.contracts.subjects import device_of, spout_result
from pourline.keg_fifo.domain import SpoutReport
from pourline.keg_fifo.errors import SpoutUnknown, UnreadablePour
from pourline.keg_fifo.handlers.keys import Keyring
from pourline.keg_fifo.handlers.pours import Arrival, Broken
from pourline.keg_fifo.handlers.reports import fields_of, parse, report_of, signed_text
from pourline.keg_fifo.handlers.vendors import Vendors
from pourline.kit import telemetry
from pourline.kit.errors import Malformed, Rejected, Retryable, Unsettled
from pourline.kit.nats import Message
from pourline.upkeep.instruments import Counter

TakeIn = Callable[[Sequence[Arrival]], Awaitable[list[SpoutPourResult]]]
UNKNOWN_DEVICE = "unknown_device"


class PourEdge:
    """Feeds batches of spout pours to the handler and publishes its answers."""

    def __init__(
        self,
        *,
        bus: Client,
        take_in: TakeIn,
        keyring: Keyring,
        vendors: Vendors,
        answered: Counter,
    ) -> None:
        self._bus = bus
        self._take_in = take_in
        self._keyring = keyring
        self._vendors = vendors
        self._answered = answered

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Take in `messages` and answer each after the commit.

        Raises `Unsettled` for those whose keys nobody can tell now, when the others are done.
        """
        with telemetry.span("spout pours take in"):
            renewed: set[str] = set()
            arrivals: dict[int, Arrival] = {}
            for place, message in enumerate(messages):
                with contextlib.suppress(Retryable):
                    arrivals[place] = await self._arrival(message, renewed)
            results = await self._take_in(list(arrivals.values()))
            for place, result in zip(arrivals, results, strict=True):
                device = device_of(messages[place].subject)
                subject = spout_result(device.location, device.device_id)
                await self._bus.publish(subject, result.wire())
            for status, count in Tally(one.status for one in results).items():
                self._answered.add(status.value, by=count)
        if waiting := set(range(len(messages))) - arrivals.keys():
            raise Unsettled(waiting, "The keys of some spouts cannot be asked for now.")

    async def _arrival(self, message: Message, renewed: set[str]) -> Arrival:
        content: SpoutReport | Broken
        try:
            content = await self._read(message, renewed)
        except (Rejected, Malformed) as error:
            content = Broken(reason=_reason(error), event_id=id_in(message.data, "event_id"))
        return Arrival(
            subject=message.subject,
            payload=message.data,
            received_at=message.received_at,
            content=content,
        )

    async def _read(self, message: Message, renewed: set[str]) -> SpoutReport:
        device = device_of(message.subject).device_id
        if len(message.data) > PAYLOAD_BYTES_MAX:
            raise UnreadablePour(f"message is over {PAYLOAD_BYTES_MAX} bytes")
        vendor = await self._keyring.vendor_of(device)
        reading = await self._vendors.read(vendor, fields_of(message.data))
        pour = parse(reading.fields)
        signed = signed_text(device, pour, reading.sent_at)
        keys = await self._keyring.admit(device, signed, pour.signature, renewed=renewed)
        return report_of(pour, keys, message.received_at)


def _reason(error: Rejected | Malformed) -> str:
    if isinstance(error, Malformed):
        return error.detail
    return UNKNOWN_DEVICE if isinstance(error, SpoutUnknown) else error.wire_code
