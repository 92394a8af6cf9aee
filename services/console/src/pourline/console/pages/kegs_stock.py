"""The cellar's shelves: kegs in stock by beverage, the next one named, and empties to go back."""

from dataclasses import dataclass, field

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, fact, icon
from pourline.console.pages.shell import Screen
from pourline.contracts.cellar import Beverage, Keg, KegSuggestion
from pourline.contracts.losses import KegYield, LossClass

LOSS_WORDS = {
    LossClass.GHOST: "Without a card",
    LossClass.WASTE: "Wasted",
    LossClass.CLEANING: "Cleaning",
    LossClass.HELD: "Waits for a person",
    LossClass.DISCARDED: "Went back",
    LossClass.UNACCOUNTED: "Missing",
}


@dataclass(frozen=True, kw_only=True)
class Cellar:
    """What the owner answered; `suggested` is by beverage."""

    beverages: dict[str, Beverage]
    in_stock: list[Keg]
    empty: list[Keg]
    suggested: dict[str, KegSuggestion]
    yields: list[KegYield] = field(default_factory=list)

    def name_of(self, beverage_id: str) -> str:
        """Return a beverage's name."""
        known = self.beverages.get(beverage_id)
        return known.name if known else "Unknown beverage"

    def of_beverage(self, beverage_id: str) -> list[Keg]:
        """Return the kegs of a beverage that wait, oldest receipt first."""
        return [one for one in self.in_stock if one.beverage_id == beverage_id]


class KegStock:
    """Two lists under the taps."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown: object = None
        with Part("header", "view-head"):
            Words("h2", text="In stock")
        self._waiting = Part("section", "cards", aria_label="In stock")
        with Part("header", "view-head"):
            Words("h2", text="Empty")
        self._empty = Part("section", "cards", aria_label="Empty")

    def show(self, cellar: Cellar) -> None:
        """Show the shelves, if they are others."""
        if cellar == self._shown:
            return
        self._shown = cellar
        self._waiting.clear()
        with self._waiting:
            for beverage_id in dict.fromkeys(one.beverage_id for one in cellar.in_stock):
                self._beverage(cellar, beverage_id)
            if not cellar.in_stock:
                Words("p", "soft", "No keg waits.")
        self._empty.clear()
        with self._empty:
            for beverage_id in dict.fromkeys(one.beverage_id for one in cellar.empty):
                number = sum(one.beverage_id == beverage_id for one in cellar.empty)
                with Part("article", "card"):
                    Words("p", "strong", cellar.name_of(beverage_id))
                    Words("p", "soft", words.count(number, "empty keg", "empty kegs"))
            for one in cellar.yields:
                self._yield(cellar, one)
            if not cellar.empty:
                Words("p", "soft", "No empties.")

    def _yield(self, cellar: Cellar, one: KegYield) -> None:
        unit = self._screen.board.volume_unit
        name = f"{cellar.name_of(one.beverage_id)}, {words.volume(one.nominal_ml, unit)}"
        with Part("article", "card", aria_label=f"Yield of {name}"):
            Words("p", "strong", name)
            with Part("dl", "facts"):
                for what, value in yield_facts(one, unit):
                    fact(what, value)

    def _beverage(self, cellar: Cellar, beverage_id: str) -> None:
        kegs = cellar.of_beverage(beverage_id)
        suggestion = cellar.suggested.get(beverage_id)
        first = suggestion.keg.id if suggestion and suggestion.keg else ""
        name = cellar.name_of(beverage_id)
        zone, unit = self._screen.board.timezone, self._screen.board.volume_unit
        with Part("article", "card", aria_label=name):
            with Part("header", "view-head"):
                Words("h2", text=name)
                Words("span", "soft", words.count(len(kegs), "keg", "kegs"))
            with Part("ul", "shelf"):
                for keg in kegs:
                    with Part("li", "shelf-row"):
                        Words("span", text=words.volume(keg.remaining_ml, unit))
                        Words("span", "soft", f"received {words.moment(keg.received_at, zone)}")
                        if keg.id == first:
                            with Part("span", "tag tone-good"):
                                icon("first_page")
                                Words("span", text="Next")
            if suggestion:
                Words("p", "soft", words.with_local_times(suggestion.reason, zone))


def yield_facts(one: KegYield, unit: str) -> list[tuple[str, str]]:
    """Return what became of a keg's beer, each part that is not nothing with its name."""
    share = "" if one.yield_ratio is None else f", {one.yield_ratio * 100:.0f} %"
    found = [("For guests", f"{words.volume(one.poured_ml, unit)}{share}")]
    found += [
        (LOSS_WORDS[loss], words.volume(volume_ml, unit))
        for loss, volume_ml in one.losses.items()
        if volume_ml > 0
    ]
    if one.over_ml > 0:
        found.append(("Beyond what it held", words.volume(one.over_ml, unit)))
    return found
