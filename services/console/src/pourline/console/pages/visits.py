"""Who is here: one search box, a card a visit, and everything that staff do with one."""

from functools import partial
from typing import ClassVar

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, field, icon, pressed
from pourline.console.pages.shell import Place, Screen, View
from pourline.console.pages.visit_card import VisitCard
from pourline.console.pages.visits_lost import LostCards
from pourline.contracts.base import Listing
from pourline.contracts.guests import GetVisit, ListActiveVisits, ListClosedVisits, Visit
from pourline.contracts.money import Balances, GetBalances, GetVisitMoney, VisitMoney

SHOWN_MAX = 40


class Visits(View):
    """Open visits, found by whatever staff know, else closed ones; and one of them in full."""

    PLACE = Place(path="/visits", word="Visits", sign="groups")
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {
            "visit.opened",
            "visit.closed",
            "visit.card_bound",
            "lock.taken",
            "lock.released",
            "pour.accepted",
            "pour.held",
            "pour.decided",
            "guest.topped_up",
            "guest.refunded",
            "guest.corrected",
        }
    )

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._found: list[Visit] = []
        self._balances: dict[str, int] = {}
        self._chosen: str | None = None
        self._whole: tuple[Visit, VisitMoney | None] | None = None
        self._shown: object = None

    def build(self) -> None:
        """Lay out the search, the list and the place of the chosen visit."""
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Visits")
                self._q = field("Name, card, phone or number", kind="search")
                self._q.on_value_change(lambda _: self.screen.refresh()).classes("search")
            with Part("div", "split"):
                self._list = Part("section", "picks", aria_label="Open visits")
                self._card = VisitCard(self.screen, left=self._leave, lost=self._report_lost)
            self._lost = LostCards(self.screen)

    async def load(self) -> None:
        """Ask who is here, what they have, and everything of the chosen visit."""
        query = ListActiveVisits(q=str(self._q.value or "") or None, limit=SHOWN_MAX)
        found = (await self.screen.ask(query, Listing[Visit])).items
        if query.q and not found:
            over = ListClosedVisits(q=query.q, limit=SHOWN_MAX)
            found = (await self.screen.ask(over, Listing[Visit])).items
        guests = GetBalances(guest_ids=[one.guest.id for one in found])
        balances = (await self.screen.ask(guests, Balances)).balances if found else {}
        whole = await self._load_whole() if self._chosen else None
        await self._lost.load()
        self._found, self._balances, self._whole = found, balances, whole

    async def _load_whole(self) -> tuple[Visit, VisitMoney]:
        visit = await self.screen.ask(GetVisit(visit_id=self._chosen or ""), Visit)
        query = GetVisitMoney(visit_id=visit.id, guest_id=visit.guest.id)
        return visit, await self.screen.ask(query, VisitMoney)

    def show(self) -> None:
        """Show the list, the chosen visit and the lost cards, as far as they changed."""
        self._lost.show()
        shown = self._found, self._balances, self._chosen
        if shown != self._shown:
            self._shown = shown
            self._list.clear()
            with self._list:
                for visit in self._found:
                    self._row(visit)
                if not self._found:
                    self._nothing()
        if self._whole:
            self._card.show(*self._whole)
        else:
            self._card.show(None, None)

    def _nothing(self) -> None:
        with Part("div", "empty"):
            icon("groups")
            Words("p", text="Nobody found." if self._q.value else "Nobody is here yet.")

    def _row(self, visit: Visit) -> None:
        row = Part("button", "pick", type="button", data_visit=visit.id)
        pressed(row, is_on=visit.id == self._chosen)
        row.on("click", partial(self._choose, visit.id), args=[])
        balance = self._balances.get(visit.guest.id)
        with row:
            with Part("span", "pick-main"):
                Words("span", "strong", visit.guest.name)
                Words("span", "soft", _where(visit))
            shown = "" if balance is None else words.money(balance, self.screen.board.currency)
            Words("span", "pick-side", shown)

    def _choose(self, visit_id: str) -> None:
        self._chosen, self._whole = visit_id, None
        self.screen.refresh()

    def _report_lost(self, card_uid: str, owner: str) -> None:
        self._lost.report(card_uid, owner)

    def _leave(self) -> None:
        self._chosen, self._whole = None, None
        self.screen.refresh()


def _where(visit: Visit) -> str:
    """Say a visit's number, and what stands in its way or where it pours."""
    said = [f"No. {visit.number}"]
    if visit.closed_at:
        return f"{said[0]} · closed"
    if visit.active_tap_id:
        said.append(f"at tap {visit.active_tap_id}")
    if not visit.card_uid:
        said.append("no card")
    if not visit.guest.age_verified:
        said.append("age not seen")
    if visit.cut_off_at:
        said.append("cut off")
    return " · ".join(said)
