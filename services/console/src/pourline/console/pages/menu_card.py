"""What guests are offered: every tap with its drink, price and whether there is any left."""

from collections.abc import Mapping
from dataclasses import dataclass

from pourline.console.pages import words
from pourline.console.pages.paper import PAGES_MAX
from pourline.console.pages.views import Face, natural
from pourline.console.store import Board, TapLine
from pourline.contracts.base import Listing
from pourline.contracts.cellar import Beverage, ListBeverages
from pourline.contracts.device import TapState
from pourline.kit.nats import Caller

PAGE = 200
ON = Face(word="On tap", icon="check_circle", tone="good")
LOW = Face(word="Almost gone", icon="hourglass_bottom", tone="warn")
OUT = Face(word="Out", icon="no_drinks", tone="bad")
NOT_NOW = Face(word="Back soon", icon="schedule", tone="rest")


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One line of the menu."""

    tap_id: str
    drink: str
    kind: str
    price: str
    face: Face


async def drinks(caller: Caller) -> dict[str, Beverage]:
    """Return every beverage by id; raises what asking raises."""
    found: dict[str, Beverage] = {}
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await caller.ask(ListBeverages(limit=PAGE, cursor=cursor), Listing[Beverage])
        found |= {one.id: one for one in page.items}
        cursor = page.next
        if cursor is None:
            break
    return found


def kind_words(drink: Beverage | None) -> str:
    """Say what kind of drink it is and how strong."""
    if drink is None:
        return ""
    strong = f"{drink.abv.normalize():f} % vol" if drink.abv is not None else ""
    return " · ".join(filter(None, (drink.kind.capitalize(), strong)))


def offers(board: Board, known: Mapping[str, Beverage]) -> list[Offer]:
    """Return the menu, tap 2 before tap 10; taps that never had a beverage are left out."""
    lines = sorted(board.lines.values(), key=lambda line: natural(line.tap.id))
    return [_offer(board, line, known) for line in lines if line.tap.beverage]


def _offer(board: Board, line: TapLine, known: Mapping[str, Beverage]) -> Offer:
    tap = line.tap
    return Offer(
        tap_id=tap.id,
        drink=tap.beverage or "",
        kind=kind_words(known.get(tap.beverage_id or "")),
        price=words.price(tap.price_per_litre, board.currency, board.volume_unit),
        face=_face(board, line),
    )


def _face(board: Board, line: TapLine) -> Face:
    tap = line.tap
    if tap.state is TapState.OUT_OF_KEG or tap.remaining_ml is None or tap.remaining_ml <= 0:
        return OUT
    if tap.state is not TapState.ACTIVE or not tap.online:
        return NOT_NOW
    is_low = bool(tap.volume_ml) and tap.remaining_ml <= (tap.volume_ml or 0) * board.keg_low_ratio
    return LOW if is_low else ON
