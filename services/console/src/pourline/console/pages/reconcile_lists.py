"""The four lists of what the books wait for."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, button, icon, pressed, set_prop
from pourline.console.pages.reconcile_decision import why_held
from pourline.console.pages.reconcile_mismatch import Mismatch
from pourline.console.store import Board
from pourline.contracts.evening import PosEvent
from pourline.contracts.money import Pour
from pourline.contracts.taps import Tap

QUEUE_WORDS = {"failed": "Failed", "queued": "Waiting", "sent": "Sent"}
POS_WORDS = {
    "pour": "Pour",
    "topup": "Paid in",
    "refund": "Paid back",
    "correction": "Correction",
    "sale": "Sale",
}


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What the owners say is open; `names` are guests by the pour's id."""

    held: list[Pour] = field(default_factory=list)
    mismatches: list[Mismatch] = field(default_factory=list)
    events: list[PosEvent] = field(default_factory=list)
    queue: str = "failed"
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Works:
    """What the rows' buttons do; None where this person may not."""

    enter: Callable[[str], None]
    decide: Callable[[Pour], None] | None
    declare: Callable[[Tap], None] | None
    settle: Callable[[Mismatch], None]
    sent: Callable[[PosEvent], Awaitable[None]]
    retry: Callable[[PosEvent], Awaitable[None]]
    choose_queue: Callable[[str], None]


def show_lists(board: Board, owing: list[Tap], owed: Owed, works: Works) -> None:
    """Lay the lists out."""
    with _section("Taps that owe pours", len(owing), "Every tap has sent what it poured."):
        for tap in owing:
            _tap(tap, works)
    with _section("Held pours", len(owed.held), "No pour waits for a decision."):
        for pour in owed.held:
            _held(board, pour, owed, works)
    with _section("Mismatches", len(owed.mismatches), "Nothing contradicts itself."):
        for one in owed.mismatches:
            _mismatch(board, one, owed, works)
    with _section("Point of sale", len(owed.events), ""):
        with Part("div", "choices", role="group", aria_label="Show notifications"):
            for queue, word in QUEUE_WORDS.items():
                made = button(word, "choice", partial(works.choose_queue, queue))
                pressed(made, is_on=queue == owed.queue)
        if not owed.events:
            Words("p", "soft", f"Nothing {QUEUE_WORDS[owed.queue].lower()}.")
        for event in owed.events:
            _event(board, event, works)


@contextmanager
def _section(title: str, count: int, nothing: str) -> Iterator[None]:
    with Part("section", "card", aria_label=title):
        with Part("header", "view-head"):
            Words("h2", text=title)
            if count:
                Words("span", "soft", str(count))
        if not count and nothing:
            with Part("p", "due-none"):
                icon("task_alt")
                Words("span", text=nothing)
        yield


@contextmanager
def _row(main: str, side: str) -> Iterator[None]:
    """Open a row; its buttons come inside."""
    with Part("div", "due", role="group", aria_label=main):
        with Part("div", "pick-main"):
            Words("span", "strong", main)
            Words("span", "soft", side)
        with Part("div", "due-actions"):
            yield


def _tap(tap: Tap, works: Works) -> None:
    owes = words.count(tap.pending_sync, "pour to sync", "pours to sync")
    link = "online" if tap.online else "offline"
    with _row(f"Tap {tap.id}", f"{owes} · {link}"):
        button("Enter by hand", "primary", partial(works.enter, tap.id), "edit_note")
        if works.declare:
            button("Declare settled", "", partial(works.declare, tap))


def _held(board: Board, pour: Pour, owed: Owed, works: Works) -> None:
    whose = owed.names.get(pour.client_tx_id) or "Unknown guest"
    poured = words.volume(pour.volume_ml, board.volume_unit)
    main = f"{whose} · {poured} at tap {pour.tap_id}"
    with _row(main, f"{words.age(pour.ended_at, board.now())} · {why_held(pour)}"):
        if works.decide:
            button("Decide", "primary", partial(works.decide, pour), "gavel")
        else:
            Words("span", "soft", "A supervisor decides")


def _mismatch(board: Board, one: Mismatch, owed: Owed, works: Works) -> None:
    whose = owed.names.get(one.told.client_tx_id) or "Unknown guest"
    booked = words.volume(one.booked.volume_ml, board.volume_unit)
    told = words.volume(one.told.volume_ml, board.volume_unit)
    main = f"{whose} · {booked} in the books at tap {one.told.tap_id}"
    said = one.alert.message if one.told is one.booked else f"The tap says {told}"
    with _row(main, f"{words.age(one.alert.opened_at, board.now())} · {said}"):
        button("Settle", "primary", partial(works.settle, one), "done_all")


def _event(board: Board, event: PosEvent, works: Works) -> None:
    kind = POS_WORDS.get(event.kind, event.kind.replace("_", " ").replace(".", " ").capitalize())
    amount = event.payload.get("amount")
    paid = f" · {words.money(amount, board.currency)}" if isinstance(amount, int) else ""
    told = [words.age(event.created_at, board.now())]
    if event.attempts and event.status != "sent":
        told.append(words.count(event.attempts, "try", "tries"))
    if event.error:
        told.append(event.error)
    with _row(f"{kind}{paid}", " · ".join(told)):
        match event.status:
            case "failed":
                _once("Try again", "primary", works.retry, event)
                _once("Sent by hand", "", works.sent, event)
            case "queued":
                _once("Sent by hand", "primary", works.sent, event)
            case _:
                Words("span", "soft", f"to {event.adapter}")


def _once(
    label: str, classes: str, do: Callable[[PosEvent], Awaitable[None]], event: PosEvent
) -> None:
    """Make a button that is away while its order is under way."""

    async def press() -> None:
        set_prop(made, "disabled", "")
        try:
            await do(event)
        finally:
            set_prop(made, "disabled", None)

    made = button(label, classes, press)
