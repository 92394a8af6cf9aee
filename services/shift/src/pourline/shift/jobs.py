"""shift's timer: shifts whose closing nobody finished go on."""

import asyncio
import logging
from typing import NoReturn

from pourline.kit.db import Database
from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.pulse import beat
from pourline.shift.handlers.closing import reopen_left

EVERY_S = 2.0

log = logging.getLogger(__name__)


class Reopening:
    """Looks for shifts that are about to close for too long."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def run(self) -> NoReturn:
        """Look for ever; a database that is away is waited for."""
        while True:
            beat()
            try:
                async with self._database.transaction() as unit:
                    await reopen_left(unit)
            except (Retryable, *TROUBLE) as error:
                log.info("reopening_waits", extra={"error": repr(error)})
            await asyncio.sleep(EVERY_S)
