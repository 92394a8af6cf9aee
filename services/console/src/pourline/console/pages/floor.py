"""The floor: every tap, the alerts beside them, and a strip that says what needs a person."""

from typing import ClassVar

from pourline.console.pages.alerts import Alerts
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.orders import OrderDialog
from pourline.console.pages.parts import Part
from pourline.console.pages.shell import Place, View
from pourline.console.pages.tiles import Tiles
from pourline.console.pages.views import AlertView, alert_views, tap_views
from pourline.contracts.evening import AcknowledgeAlert, Alert
from pourline.contracts.taps import Tap, TapOrder

STOP_LEVEL = 2


class Floor(View):
    """The floor lives off the board, which the bus keeps true."""

    PLACE = Place(path="/", word="Floor", sign="sports_bar")
    ASKS: ClassVar[bool] = False

    def build(self) -> None:
        """Lay out the tiles and the alerts beside them."""
        may_stop = self.screen.staff.level >= STOP_LEVEL
        order = OrderDialog(send=self._order).open if may_stop else None
        with Part("div", "floor", id="taps"):
            self._tiles = Tiles(order=order, may_set_up=self.screen.staff.level >= MANAGER)
            self._alerts = Alerts(acknowledge=self._acknowledge)

    def show(self) -> None:
        """Show the taps and what stands."""
        board = self.screen.board
        self._tiles.show(tap_views(board), known=board.snapshot_at is not None)
        self._alerts.show(alert_views(board))

    async def _acknowledge(self, view: AlertView) -> None:
        await self.screen.order(AcknowledgeAlert(alert_id=view.alert_id), Alert)

    async def _order(self, order: TapOrder) -> bool:
        return await self.screen.order(order, Tap) is not None
