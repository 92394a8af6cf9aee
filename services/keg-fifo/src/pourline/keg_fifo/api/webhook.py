"""Spout pours over HTTP: a webhook's raw body and its signature, as in seed 000."""

from pourline.contracts.device import PAYLOAD_BYTES_MAX, SpoutPour, SpoutPourResult
from pourline.contracts.spouts import IngestSpoutPour
from pourline.contracts.subjects import spout_result
from pourline.contracts.taps import SpoutKeys
from pourline.keg_fifo.errors import SignatureWrong, SpoutUnknown, UnreadablePour
from pourline.keg_fifo.handlers.keys import Keyring
from pourline.keg_fifo.handlers.pours import Arrival, take_in
from pourline.keg_fifo.handlers.reports import fields_of, parse, report_of
from pourline.keg_fifo.handlers.vendors import Fields, Vendors
from pourline.kit.db import UnitOfWork
from pourline.kit.ids import parse_id
from pourline.kit.nats import Context

SPELLINGS = {
    "pulses": "pulses",
    "occurred_at": "occurredAt",
    "event_id": "eventId",
    "channel": "channel",
    "age_ms": "ageMs",
}
"""Each field in our spelling and in that of seed 000."""


class Webhook:
    """Takes in one pour that came by HTTP."""

    def __init__(self, *, keyring: Keyring, vendors: Vendors) -> None:
        self._keyring = keyring
        self._vendors = vendors

    async def admit(self, order: IngestSpoutPour, context: Context) -> None:
        """Check the signature over the raw body, ahead of the transaction.

        No signature at all is told before an unknown device. Raises `SignatureWrong`,
        `UnreadablePour`, `SpoutUnknown`, `SpoutInactive`, or `Retryable` without auth-lock.
        """
        del context
        raw = order.body.encode()
        try:
            await self._keyring.admit(order.device_id, raw, order.signature, renewed=set())
        except SpoutUnknown:
            if order.signature is None and self._keyring.verifies:
                raise SignatureWrong from None
            named = _either(fields_of(raw), "device_id", "deviceId")
            if named != order.device_id and parse_id(order.device_id) is None:
                raise UnreadablePour("deviceId: cannot be read") from None
            raise

    async def ingest(
        self, order: IngestSpoutPour, unit: UnitOfWork, context: Context
    ) -> SpoutPourResult:
        """Decide and book an admitted pour; raises `UnreadablePour`."""
        del context
        keys = self._keyring.admitted(order.device_id)
        pour = await self._decode(order.body.encode(), keys)
        now = unit.clock.now()
        arrival = Arrival(
            subject=spout_result(keys.location, keys.device_id).removesuffix(".result"),
            payload=pour.wire(),
            received_at=now,
            content=report_of(pour, keys, now),
        )
        [result] = await take_in(unit, [arrival])
        return result

    async def _decode(self, raw: bytes, keys: SpoutKeys) -> SpoutPour:
        """Return the pour in a webhook's body; raises `UnreadablePour`."""
        if len(raw) > PAYLOAD_BYTES_MAX:
            raise UnreadablePour(f"body is over {PAYLOAD_BYTES_MAX} bytes")
        reading = await self._vendors.read(keys.vendor, fields_of(raw))
        if reading.is_own:
            return parse(reading.fields)
        named = _either(reading.fields, "device_id", "deviceId")
        if named is not None and parse_id(str(named)) != parse_id(keys.device_id):
            raise UnreadablePour("deviceId: is another device's")
        fields = {ours: _either(reading.fields, ours, theirs) for ours, theirs in SPELLINGS.items()}
        return parse({name: value for name, value in fields.items() if value is not None})


def _either(body: Fields, ours: str, theirs: str) -> object:
    return body.get(ours, body.get(theirs))
