"""What people did in services that keep no record themselves."""

from collections.abc import Sequence

from pourline.auth_lock.store import audit
from pourline.contracts.base import Envelope
from pourline.contracts.record import Recorded
from pourline.kit.db import UnitOfWork


async def put_on_record(events: Sequence[Envelope[Recorded]], unit: UnitOfWork) -> None:
    """Write down who did what, as the service tells it that did it."""
    for event in events:
        await audit.record_told(unit, event.data)
