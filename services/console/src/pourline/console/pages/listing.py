"""Whole lists, page by page: one message of the bus holds some forty rows."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pourline.console.pages.shell import Screen
from pourline.contracts.base import Listing, Message, Page
from pourline.kit.errors import TROUBLE, Refusal
from pourline.kit.nats import Caller

PIECE = 40
ROWS_MAX = 400
"""More rows than this are for a search or a sheet, not for a screen."""

Load = Callable[[], Awaitable[None]]

Item = TypeVar("Item", bound=Message)


async def rows_of(
    asked: Screen | Caller, query: Page, answer: type[Listing[Item]], *, most: int = ROWS_MAX
) -> list[Item]:
    """Return a list's rows, at most `most`; raises what asking raises."""
    rows: list[Item] = []
    cursor = query.cursor
    while len(rows) < most:
        piece = query.model_copy(update={"limit": min(PIECE, most - len(rows)), "cursor": cursor})
        page = await asked.ask(piece, answer)
        rows += page.items
        cursor = page.next
        if cursor is None:
            break
    return rows


async def freshened(load: Load) -> None:
    """Ask again before a form offers what there is; without an answer it offers what was known."""
    with contextlib.suppress(Refusal, *TROUBLE):
        await load()
