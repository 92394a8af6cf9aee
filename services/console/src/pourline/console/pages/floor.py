"""The floor: every tap, the alerts beside them, and a strip that says what needs a person."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from nicegui import Client, background_tasks, ui

from pourline.console.pages.alerts import Alerts
from pourline.console.pages.orders import OrderDialog
from pourline.console.pages.parts import Part, set_classes
from pourline.console.pages.staff import Staff
from pourline.console.pages.strip import Strip
from pourline.console.pages.tiles import Tiles
from pourline.console.pages.views import AlertView, alert_views, strip_view, tap_views
from pourline.console.store import Board
from pourline.contracts.base import Command, Message
from pourline.contracts.evening import AcknowledgeAlert, Alert
from pourline.contracts.taps import Tap, TapOrder
from pourline.kit.errors import TROUBLE, Refusal, outcome_of
from pourline.kit.nats import Caller

REST_S = 0.2
"""Between two updates of one screen: five a second are as many as an eye follows."""
TICK_S = 1.0
"""Ages and links are looked at this often though nothing happened."""
STOP_LEVEL = 2

Answer = TypeVar("Answer", bound=Message)


class Floor:
    """One browser's floor."""

    def __init__(
        self, *, board: Board, caller: Caller, staff: Staff, is_good: Callable[[Staff], bool]
    ) -> None:
        self._board = board
        self._caller = caller
        self._staff = staff
        self._is_good = is_good
        self._client: Client = ui.context.client
        self._client.content.classes("page")
        self._strip = Strip(staff)
        order = OrderDialog(send=self._order).open if staff.level >= STOP_LEVEL else None
        with Part("main", "floor", id="taps") as self._main:
            self._tiles = Tiles(order=order)
            self._alerts = Alerts(acknowledge=self._acknowledge)
        self._show()

    def start(self) -> None:
        """Keep this browser's floor true until it is gone."""
        showing = background_tasks.create(self._keep_showing(), name="floor")
        self._client.on_delete(showing.cancel)

    async def _keep_showing(self) -> None:
        """Show each change at once, then rest; a browser that is away is told when it is back."""
        with self._board.watched() as changed:
            while not self._client.is_deleted:
                changed.clear()
                if self._is_over():
                    self._client.open("/login")
                    return
                if self._client.has_socket_connection:
                    self._show()
                await asyncio.sleep(REST_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S - REST_S):
                        await changed.wait()

    def _show(self) -> None:
        strip = strip_view(self._board)
        self._strip.show(strip)
        taps = " taps-stale" if strip.taps_stale else ""
        set_classes(self._main, f"floor{taps}{' alerts-stale' if strip.alerts_stale else ''}")
        self._tiles.show(tap_views(self._board), known=self._board.snapshot_at is not None)
        self._alerts.show(alert_views(self._board))

    async def _acknowledge(self, view: AlertView) -> None:
        await self._ask(AcknowledgeAlert(alert_id=view.alert_id), Alert)

    async def _order(self, order: TapOrder) -> bool:
        return await self._ask(order, Tap)

    def _is_over(self) -> bool:
        return self._board.now() >= self._staff.expires_at or not self._is_good(self._staff)

    async def _ask(self, command: Command, answer: type[Answer]) -> bool:
        """Send a command in this person's name; a refusal is told on the screen."""
        if self._is_over():
            self._client.open("/login")
            return False
        try:
            await self._caller.ask(command, answer, actor=self._staff.username)
        except (Refusal, *TROUBLE) as error:
            ui.notify(outcome_of(error).detail, type="negative", position="top")
            return False
        return True
