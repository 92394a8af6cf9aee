"""Finding the visit that a pour belongs to, inside a form."""

from collections.abc import Callable
from functools import partial

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.parts import Part, button, field, pressed
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Listing
from pourline.contracts.guests import GetVisit, ListActiveVisits, ListClosedVisits, Visit

FOUND_MAX = 5


class VisitFinder:
    """A search box and its finds; `chosen` is the visit that was pressed.

    `also_closed`: visits that are over are found too, behind those that are open.
    """

    def __init__(
        self,
        screen: Screen,
        *,
        changed: Callable[[], None] = lambda: None,
        also_closed: bool = False,
    ) -> None:
        self._screen = screen
        self._also_closed = also_closed
        self._changed = changed
        self._found: list[Visit] = []
        self._known: str | None = None
        self._shown: object = None
        self._field: ui.input | None = None
        self._choices: ui.element | None = None
        self.chosen: Visit | None = None

    def build(self, *, known: str | None = None) -> None:
        """Lay it out; `known` is the id of a visit that is likely meant."""
        self._found, self.chosen, self._known, self._shown = [], None, known, None
        self._field = field("Visit: name, card or number", kind="search")
        self._field.on_value_change(lambda _: self._screen.refresh())
        self._choices = Part("div", "choices", role="group", aria_label="Visits found")

    async def load(self) -> None:
        """Ask for the visits that fit; raises what asking raises."""
        if self._field is None:
            return
        q = str(self._field.value or "").strip()
        if q:
            query = ListActiveVisits(q=q, limit=FOUND_MAX)
            found = (await self._screen.ask(query, Listing[Visit])).items
            if self._also_closed:
                over = ListClosedVisits(q=q, limit=FOUND_MAX)
                found += (await self._screen.ask(over, Listing[Visit])).items
            self._found = found
        elif self._known:
            visit = await self._screen.ask(GetVisit(visit_id=self._known), Visit)
            self._found, self._known = [visit], None
            self.chosen = visit

    def show(self) -> None:
        """Show what was found and what is chosen."""
        shown = self._found, self.chosen
        if shown == self._shown or self._choices is None:
            return
        self._shown = shown
        self._choices.clear()
        with self._choices:
            for visit in self._found:
                text = f"{visit.guest.name} · No. {visit.number}{self._over(visit)}"
                one = button(text, "choice", partial(self._choose, visit), "person")
                pressed(one, is_on=bool(self.chosen and visit.id == self.chosen.id))

    def _over(self, visit: Visit) -> str:
        if visit.closed_at is None:
            return ""
        return f" · closed {words.moment(visit.closed_at, self._screen.board.timezone)}"

    def _choose(self, visit: Visit) -> None:
        self.chosen = visit
        self.show()
        self._changed()
