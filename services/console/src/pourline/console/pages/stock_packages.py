"""Packages: what they are made of, how many can be sold and what limits them."""

from collections.abc import Mapping

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.forms import Field, Form, Values, amount, number
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.listing import freshened, rows_of
from pourline.console.pages.parts import Part, Words, bring_into_view, button, icon, icon_button
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Command, Listing
from pourline.contracts.cellar import Item, ListItems
from pourline.contracts.packages import (
    CreatePackage,
    ListAvailability,
    ListPackages,
    Package,
    PackageAvailability,
    PackagePart,
)

PARTS_ON_SCREEN = 6
"""Lines of the form; what has more parts is made over REST."""


class StockPackages:
    """A card a package."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._packages: list[Package] = []
        self._left: dict[str, PackageAvailability] = {}
        self._items: dict[str, Item] = {}
        self._shown: object = None
        if screen.staff.level >= MANAGER:
            with Part("div", "view-head"):
                button("New package", "", self._open_new, "add")
        self._new = Part("section", "chosen", aria_label="New package")
        self._list = Part("section", "cards", aria_label="Packages")

    async def load(self) -> None:
        """Ask for packages, what they need and how many can be sold."""
        packages = await rows_of(self._screen, ListPackages(), Listing[Package])
        left = await rows_of(self._screen, ListAvailability(), Listing[PackageAvailability])
        items = await rows_of(self._screen, ListItems(), Listing[Item])
        self._packages = packages
        self._left = {one.package_id: one for one in left}
        self._items = {one.id: one for one in items}

    def show(self) -> None:
        """Show the packages, if something about them is different."""
        shown = self._packages, self._left
        if shown == self._shown:
            return
        self._shown = shown
        self._list.clear()
        with self._list:
            for package in self._packages:
                self._package(package, self._left.get(package.id))
            if not self._packages:
                with Part("div", "empty"):
                    icon("fastfood")
                    Words("p", text="No packages yet.")

    def _package(self, package: Package, left: PackageAvailability | None) -> None:
        tone, sign, word = _face(left)
        with Part("article", f"card toned tone-{tone}", aria_label=package.name):
            with Part("header", "view-head"):
                Words("h2", text=package.name)
                Words("span", "strong", words.money(package.price, self._screen.board.currency))
            with Part("span", f"tag tone-{tone}"):
                icon(sign)
                Words("span", text=word)
            if left and left.bottleneck:
                short = left.bottleneck
                Words(
                    "p",
                    "soft",
                    f"Limited by {short.name}: {words.quantity(short.available)} there, "
                    f"{words.quantity(short.required)} needed for one",
                )
            Words("p", "soft", ", ".join(self._part(one) for one in package.items))

    def _part(self, part: PackagePart) -> str:
        item = self._items.get(part.item_id)
        name, unit = (item.name, item.unit.value) if item else ("?", "")
        return f"{words.quantity(part.quantity)} {unit} {name}".replace(" each ", " ")

    async def _open_new(self) -> None:
        await freshened(self.load)
        self._new.clear()
        names = {"": "-"} | {
            one.id: f"{one.name} ({one.unit.value})" for one in self._items.values()
        }
        with self._new, Part("article", "card", aria_label="New package"):
            with Part("header", "view-head"):
                Words("h2", text="New package")
                icon_button("Leave", "close", self._new.clear)
            form = Form(
                self._screen, level=MANAGER, make=self._make, answer=Package, done=self._created
            )
            form.build("Create package", self._fields(names), sign="add")
        bring_into_view(self._new)

    def _fields(self, names: Mapping[str, str]) -> list[Field]:
        fields = [
            Field(name="name", label="Package's name"),
            Field(name="price", label=f"Price in {self._screen.board.currency}", hint="12.50"),
        ]
        for line in range(1, PARTS_ON_SCREEN + 1):
            fields.append(Field(name=f"item{line}", label=f"Part {line}", options=names))
            fields.append(Field(name=f"quantity{line}", label=f"Quantity of part {line}"))
        return fields

    def _make(self, values: Values) -> Command:
        parts = [
            PackagePart(
                item_id=values[f"item{line}"],
                quantity=number(values[f"quantity{line}"], f"Quantity of part {line}"),
            )
            for line in range(1, PARTS_ON_SCREEN + 1)
            if values[f"item{line}"]
        ]
        price = amount(values["price"], self._screen.board.currency, "Price")
        return CreatePackage(name=values["name"], price=price, items=parts)

    def _created(self, package: Package) -> None:
        self._new.clear()
        self._screen.tell(f"{package.name} can be sold.")


def _face(left: PackageAvailability | None) -> tuple[str, str, str]:
    """Return tone, icon and words for how many can be sold."""
    if left is None:
        return "off", "help", "Not known yet"
    if left.max_sellable is None:
        return "rest", "all_inclusive", "Nothing limits it"
    if left.max_sellable == 0:
        return "bad", "block", "Sold out"
    return "good", "check_circle", f"{left.max_sellable:,} can be sold"
