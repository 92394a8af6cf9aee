"""Who works in a shift: they join and leave at a press."""

from functools import partial

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, button, field
from pourline.console.pages.shell import Screen
from pourline.contracts.evening import AddShiftMember, RemoveShiftMember, Shift


class Team:
    """The members of the open shift."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shift: Shift | None = None
        self._shown: object = None

    def build(self) -> None:
        """Lay the card out."""
        self._shown = None
        with Part("section", "card", aria_label="Team"):
            Words("h2", text="Team")
            self._rows = Part("div", "dues")
            with Part("div", "till"):
                self._name = field("Name")
                self._name.on("keydown.enter", self._add, args=[])
                button("Joins", "", self._add, "person_add")

    def show(self, shift: Shift) -> None:
        """Show who works now and who has left."""
        self._shift = shift
        if shift.team == self._shown:
            return
        self._shown = shift.team
        zone = self._screen.board.timezone
        self._rows.clear()
        with self._rows:
            for member in shift.team:
                since = words.clock_time(member.joined_at, zone)
                until = f" to {words.clock_time(member.left_at, zone)}" if member.left_at else ""
                with Part("div", "due"):
                    with Part("div", "pick-main"):
                        Words("span", "strong", member.name)
                        Words("span", "soft", f"from {since}{until}")
                    if member.left_at is None:
                        leave = button("Leaves", "", partial(self._remove, member.name))
                        leave.props["aria-label"] = f"{member.name} leaves"

    async def _add(self) -> None:
        name = str(self._name.value or "").strip()
        if not name or self._shift is None:
            return
        order = AddShiftMember(shift_id=self._shift.id, member=name)
        if await self._screen.order(order, Shift) is not None:
            self._name.value = ""

    async def _remove(self, name: str) -> None:
        if self._shift is not None:
            order = RemoveShiftMember(shift_id=self._shift.id, member=name)
            await self._screen.order(order, Shift)
