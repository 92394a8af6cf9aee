"""Spout health over MQTT: who is online, and how their batteries are."""

from collections.abc import Sequence

from pourline.contracts.device import PAYLOAD_BYTES_MAX, SpoutHealth
from pourline.contracts.subjects import device_of
from pourline.keg_fifo.errors import UnreadablePour
from pourline.keg_fifo.handlers import health as handle_health
from pourline.keg_fifo.handlers.health import Heard
from pourline.kit.db import Database
from pourline.kit.ids import parse_id
from pourline.kit.nats import Message

CONSUMER = "keg-fifo--spout-health"


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
    return device_id, SpoutHealth.model_validate_json(message.data), message.received_at
