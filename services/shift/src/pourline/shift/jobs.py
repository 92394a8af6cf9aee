"""shift's timer: shifts whose closing nobody finished go on."""

from pourline.kit.db import Database
from pourline.shift.handlers.closing import reopen_left

EVERY_S = 2.0


async def reopen(database: Database) -> None:
    """Look for shifts that are about to close for too long."""
    async with database.transaction() as unit:
        await reopen_left(unit)
