"""What pos-adapter does by the clock beside handing over: finishing sales, telling of packages."""

from pourline.kit.db import Database
from pourline.pos_adapter.handlers.packages import tell_changes

FINISH_EVERY_S = 5.0
TELL_EVERY_S = 0.5
"""A round of sales is one piece of news; nobody who listens acts faster."""


async def tell(database: Database) -> None:
    """Tell others when another number of a package can be sold; one instance at a time."""
    async with database.transaction() as unit:
        await tell_changes(unit)
