"""Spout health over MQTT: who is online, and how their batteries are."""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import field_validator

from pourline.contracts.device import PAYLOAD_BYTES_MAX, SpoutHealth
from pourline.contracts.subjects import device_of
from pourline.keg_fifo.errors import UnreadablePour
from pourline.keg_fifo.handlers import health as handle_health
from pourline.keg_fifo.handlers.health import Heard
from pourline.kit.db import Database
from pourline.kit.ids import parse_id
from pourline.kit.nats import Message

CONSUMER = "keg-fifo--spout-health"
BATTERY_FULL_PCT = 100


class SpoutWord(SpoutHealth):
    """A spout's word on itself as it comes: whole percents, a share, or parts of a percent."""

    @field_validator("battery_pct", mode="before")
    @classmethod
    def _battery(cls, told: object) -> object:
        """Return parts of a percent as the share they are; the rest is as the contract has it."""
        if told is None:
            return None
        if isinstance(told, bool) or not isinstance(told, int | float | Decimal):
            raise ValueError("must be a number")  # noqa: TRY004 pydantic makes its error of it
        if not 0 <= told <= BATTERY_FULL_PCT:
            raise ValueError(f"must be between 0 and {BATTERY_FULL_PCT}")
        is_in_parts = told > 1 and told != int(told)
        return Decimal(str(told)) / BATTERY_FULL_PCT if is_in_parts else told


class HealthEdge:
    """Takes in batches of spouts' words on themselves."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Note `messages`; a malformed one raises, and becomes a dead letter by itself."""
        heard = [found for message in messages if (found := _decode(message))]
        if heard:
            async with self._database.transaction() as unit:
                await handle_health.note(unit, heard)


def _decode(message: Message) -> Heard | None:
    device_id = parse_id(device_of(message.subject).device_id)
    if device_id is None or not message.data:
        return None
    if len(message.data) > PAYLOAD_BYTES_MAX:
        raise UnreadablePour(f"message is over {PAYLOAD_BYTES_MAX} bytes")
    return device_id, SpoutWord.model_validate_json(message.data), message.received_at
