"""What the screen beside a tap says to the guest before it: values only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from pourline.console.pages import words
from pourline.console.pages.guest_page import first_name
from pourline.console.pages.menu_card import kind_words
from pourline.console.store import Board, TapLine
from pourline.contracts.cellar import Beverage
from pourline.contracts.device import TapState
from pourline.contracts.limits import LimitLeft, LimitScope, LimitsLeft
from pourline.contracts.money import VisitMoney

SUMMARY_FOR = timedelta(seconds=20)
"""So long a guest looks at what was poured; then the tap is for the next one."""


class Phase(Enum):
    """What happens at the tap."""

    FREE = "free"
    CARD = "card"
    POURING = "pouring"
    DONE = "done"
    DENIED = "denied"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class TapScreenView:
    """The screen's words; `big` is what is read from a step away."""

    phase: Phase
    icon: str
    head: str
    big: str
    beside: str
    note: str
    drink: str
    kind: str
    price: str
    may_report: bool = False


@dataclass(frozen=True, kw_only=True)
class Means:
    """The money of the guest who holds the tap, and what the visit's limits leave, if it has any.

    What is held for an open grant counts against a limit already, but not against the balance.
    """

    money: VisitMoney
    limits: LimitsLeft | None = None

    def to_spend(self, drink: Beverage | None) -> int:
        """Return what balance and spending limits leave for a drink, in minor units.

        It may be one short for an open grant, never over: auth-lock rounds what one costs up.
        """
        lefts = [
            one.left_amount + self.money.held
            for one in (self.limits.items if self.limits else [])
            if one.left_amount is not None and _is_about(one, drink)
        ]
        return max(min([self.money.balance, *lefts]), 0)


def _is_about(limit: LimitLeft, drink: Beverage | None) -> bool:
    """Return whether a limit bounds what may be spent on a drink; a serving's bounds one only."""
    if limit.per is LimitScope.SERVING:
        return False
    if limit.kind is None or drink is None:
        return True
    return limit.kind.casefold() == drink.kind.casefold()


DENIALS = {
    "unknown_card": ("This card is not known", "Please check in at the bar."),
    "unreadable_card": ("The card could not be read", "Hold it flat against the reader."),
    "lost_card": ("This card was reported lost", "Please bring it to the bar."),
    "no_active_visit": ("You are not checked in", "Please check in at the bar."),
    "card_in_use": ("Your card is at another tap", "Finish there, then come back."),
    "tap_in_use": ("Somebody else is at this tap", "Wait until they are done."),
    "tap_not_active": ("This tap rests", "Please take another one."),
    "insufficient_balance": ("Not enough on your account", "Please pay in at the bar."),
    "limit_reached": ("You have reached your limit", "Take a break, or talk to the staff."),
    "age_not_verified": ("We have not seen your ID", "Please show it at the bar."),
    "cut_off": ("You are not served any more", "Please talk to the staff."),
    "unavailable": ("That took too long", "Hold the card to the reader again."),
}
DENIED_OTHERWISE = ("That did not work", "Hold the card to the reader again.")
CLOSED = {
    TapState.OUT_OF_KEG: ("Empty", "A new keg is on its way.", "no_drinks"),
    TapState.CLEANING: ("Being cleaned", "Please take another tap.", "cleaning_services"),
    TapState.MAINTENANCE: ("Being looked after", "Please take another tap.", "build"),
    TapState.STOPPED: ("Not in service", "Please take another tap.", "pan_tool"),
    TapState.PROCESSING_SYNC: ("One moment", "The last pour is being booked.", "sync"),
}


def tap_screen_view(
    board: Board, line: TapLine, drink: Beverage | None, means: Means | None
) -> TapScreenView:
    """Return what the screen says; `means` are those of the guest who holds the tap."""
    now, tap = board.now(), line.tap
    refusal = board.refusals.at(tap.id, now)
    if tap.locked_by_visit:
        return _held(board, line, drink, means)
    if refusal:
        head, note = DENIALS.get(refusal.reason, DENIED_OTHERWISE)
        return _view(board, line, drink, Phase.DENIED, "block", head, note=note)
    if (done := _summary(board, line, drink, now)) is not None:
        return done
    if tap.state in CLOSED or not tap.online:
        offline = ("Not in service", "Please take another tap.", "cloud_off")
        head, note, sign = CLOSED.get(tap.state, offline)
        return _view(board, line, drink, Phase.CLOSED, sign, head, note=note)
    note = "Hold your card to the reader."
    return _view(board, line, drink, Phase.FREE, "contactless", "Welcome", note=note)


def _held(
    board: Board, line: TapLine, drink: Beverage | None, means: Means | None
) -> TapScreenView:
    tap, now = line.tap, board.now()
    head = f"Hello {first_name(tap.guest_name or '')}"
    flow = line.shown_flow(now)
    price = tap.price_per_litre
    left = _left(board, drink, means, price)
    if flow is not None and flow.volume_ml > 0:
        cost = words.money(words.cost(flow.volume_ml, price or 0), board.currency)
        return _view(
            board,
            line,
            drink,
            Phase.POURING,
            "sports_bar",
            head,
            big=words.volume(flow.volume_ml, board.volume_unit),
            beside=cost,
            note=left,
            may_report=True,
        )
    note = left or "You may pour."
    return _view(board, line, drink, Phase.CARD, "lock_open", head, big="Pour now", note=note)


def _left(board: Board, drink: Beverage | None, means: Means | None, price: int | None) -> str:
    """Say what a guest may still spend, and what the money set aside buys now."""
    if means is None:
        return ""
    said = f"{words.money(means.to_spend(drink), board.currency)} to spend"
    if means.money.held and price:
        most = Decimal(means.money.held * 1000 // price)
        said += f" · up to {words.volume(most, board.volume_unit)} now"
    return said


def _summary(
    board: Board, line: TapLine, drink: Beverage | None, now: datetime
) -> TapScreenView | None:
    last = line.last_pour
    if last is None or not timedelta(0) <= now - last.ended_at <= SUMMARY_FOR:
        return None
    return _view(
        board,
        line,
        drink,
        Phase.DONE,
        "check_circle",
        "Cheers",
        big=words.volume(last.volume_ml, board.volume_unit),
        beside=words.money(last.amount, board.currency),
        note="It is on your account.",
        may_report=True,
    )


def _view(  # noqa: PLR0913 a screen has so many words
    board: Board,
    line: TapLine,
    drink: Beverage | None,
    phase: Phase,
    sign: str,
    head: str,
    *,
    big: str = "",
    beside: str = "",
    note: str = "",
    may_report: bool = False,
) -> TapScreenView:
    return TapScreenView(
        phase=phase,
        icon=sign,
        head=head,
        big=big,
        beside=beside,
        note=note,
        drink=line.tap.beverage or "Nothing on tap",
        kind=kind_words(drink),
        price=words.price(line.tap.price_per_litre, board.currency, board.volume_unit),
        may_report=may_report,
    )
