"""What the books still wait for: taps that owe pours, pours to decide, mismatches, the POS.

Each row has one primary action; what it needs beside it opens next to the list.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Protocol

from pourline.console.pages.asking import Ask, CommentDialog
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.parts import Part, Words, button, pressed
from pourline.console.pages.reconcile_decision import DECIDE_LEVEL, DecisionForm
from pourline.console.pages.reconcile_entry import Entry
from pourline.console.pages.reconcile_letters import DeadLetterList
from pourline.console.pages.reconcile_lists import Owed, Works, show_lists
from pourline.console.pages.reconcile_mismatch import Mismatch, MismatchForm
from pourline.console.pages.shell import Place, Screen, View
from pourline.contracts.base import Listing
from pourline.contracts.books import FindPour
from pourline.contracts.device import AlertMessage, PourStatus
from pourline.contracts.evening import (
    ListPosEvents,
    MarkPosEventSent,
    PosEvent,
    RetryPosEvent,
)
from pourline.contracts.guests import GetVisit, Visit
from pourline.contracts.money import ListPours, Pour
from pourline.contracts.taps import ResetTapSync, Tap

SHOWN_MAX = 40
MISMATCHES_MAX = 20
LEVEL = 2
QUEUES = ("failed", "queued", "sent")


class _Form(Protocol):
    async def load(self) -> None: ...
    def show(self) -> None: ...


class Reconcile(View):
    """The list of what is owed, and beside it the form that settles one thing of it."""

    PLACE = Place(path="/reconcile", word="Reconcile", sign="rule", level=LEVEL)
    NEWS: ClassVar[frozenset[str]] = frozenset(
        {
            "pour.accepted",
            "pour.held",
            "pour.decided",
            "pour.mismatched",
            "pour.reconciled",
            "tap.state_changed",
            "alert.opened",
            "alert.resolved",
            "pos.sent",
            "pos.batch_sent",
            "pos.failed",
            "pos.failing",
            "pos.recovered",
        }
    )

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._owed = Owed()
        self._names: dict[str, str] = {}
        self._queue = QUEUES[0]
        self._form: _Form | None = None
        self._shown: object = None
        self._may_replay = screen.staff.level >= MANAGER
        self._at_letters = False
        self._entry = Entry(screen, left=self._leave)
        self._decision = DecisionForm(screen, left=self._leave)
        self._mismatch = MismatchForm(screen, left=self._leave)
        may_decide = screen.staff.level >= DECIDE_LEVEL
        self._works = Works(
            enter=self._enter,
            decide=self._decide if may_decide else None,
            declare=self._declare if may_decide else None,
            settle=self._settle,
            sent=self._mark_sent,
            retry=self._retry,
            choose_queue=self._choose_queue,
        )

    def build(self) -> None:
        """Lay out the head, the lists and the place of a form."""
        self._dialog = CommentDialog()
        with Part("div", "view-body"):
            with Part("header", "view-head"):
                Words("h1", text="Reconcile")
                self._tabs()
                button("Enter a pour by hand", "", partial(self._enter, ""), "edit_note")
            with Part("div", "split") as self._owing:
                self._list = Part("div", "picks")
                self._place = Part("section", "chosen", aria_label="Form")
            if self._may_replay:
                with Part("div", "work") as self._aside:
                    self._letters = DeadLetterList(self.screen, self._dialog)
                self._aside.set_visibility(visible=False)

    def _tabs(self) -> None:
        """Let managers turn to the dead letters."""
        if not self._may_replay:
            return
        with Part("div", "choices", role="group", aria_label="Show"):
            self._to_owed = button("Owed", "choice", partial(self._turn, to_letters=False))
            self._to_letters = button(
                "Dead letters", "choice", partial(self._turn, to_letters=True)
            )
            with self._to_letters:
                self._count = Words("span", "choice-count")
        pressed(self._to_owed, is_on=True)
        pressed(self._to_letters, is_on=False)

    def _turn(self, *, to_letters: bool) -> None:
        self._at_letters = to_letters
        self._owing.set_visibility(not to_letters)
        self._aside.set_visibility(to_letters)
        pressed(self._to_owed, is_on=not to_letters)
        pressed(self._to_letters, is_on=to_letters)
        self.screen.refresh()

    async def load(self) -> None:
        """Ask for held pours, mismatched ones and the POS queue; taps come with the board."""
        if self._may_replay:
            await self._letters.load(is_seen=self._at_letters)
        query = ListPours(status=PourStatus.HELD, limit=SHOWN_MAX)
        held = (await self.screen.ask(query, Listing[Pour])).items
        mismatches = [await self._mismatched(alert) for alert in self._standing()]
        asked = ListPosEvents(status=self._queue, limit=SHOWN_MAX)
        events = (await self.screen.ask(asked, Listing[PosEvent])).items
        if self._form:
            await self._form.load()
        pours = [*held, *(one.told for one in mismatches)]
        await self._name({pour.visit_id for pour in pours if pour.visit_id})
        self._owed = Owed(
            held=held,
            mismatches=mismatches,
            events=events,
            queue=self._queue,
            names={pour.client_tx_id: self._names.get(pour.visit_id or "", "") for pour in pours},
        )

    def _standing(self) -> list[AlertMessage]:
        board = self.screen.board
        found = [one for one in board.alerts.standing(board.now()) if one.kind == "sync_mismatch"]
        return sorted(found, key=lambda one: one.opened_at)[:MISMATCHES_MAX]

    async def _mismatched(self, alert: AlertMessage) -> Mismatch:
        """Find what the tap said and, beside it, what is in the books under its number."""
        told = await self.screen.ask(FindPour(client_tx_id=alert.subject.id), Pour)
        if told.visit_id is None or told.status is not PourStatus.MISMATCH:
            return Mismatch(alert=alert, told=told, booked=told)
        query = ListPours(visit_id=told.visit_id, tap_id=told.tap_id, limit=SHOWN_MAX)
        beside = (await self.screen.ask(query, Listing[Pour])).items
        entered = [one for one in beside if one.entered_by and one.short_id == told.short_id]
        return Mismatch(alert=alert, told=told, booked=entered[0] if entered else told)

    async def _name(self, visits: set[str]) -> None:
        """Learn whose visits these are; at most a screen full at a time."""
        for visit_id in sorted(visits - self._names.keys())[:SHOWN_MAX]:
            visit = await self.screen.ask(GetVisit(visit_id=visit_id), Visit)
            self._names[visit_id] = visit.guest.name

    def show(self) -> None:
        """Show the lists, if something of them changed, and the form."""
        owing = [one.tap for one in self.screen.board.lines.values() if one.tap.pending_sync]
        owing.sort(key=lambda tap: tap.id)
        owes = [(tap.id, tap.pending_sync, tap.online) for tap in owing]
        shown = self._owed, owes, self.screen.board.volume_unit
        if shown != self._shown:
            self._shown = shown
            self._list.clear()
            with self._list:
                show_lists(self.screen.board, owing, self._owed, self._works)
        if self._form:
            self._form.show()
        if self._may_replay:
            self._letters.show()
            self._count.text = self._letters.count

    def _enter(self, tap_id: str) -> None:
        self._open(self._entry, lambda: self._entry.build(tap_id=tap_id))

    def _decide(self, pour: Pour) -> None:
        self._open(self._decision, lambda: self._decision.build(pour))

    def _settle(self, one: Mismatch) -> None:
        self._open(self._mismatch, lambda: self._mismatch.build(one))

    def _open(self, form: _Form, build: Callable[[], None]) -> None:
        if self._at_letters:
            self._turn(to_letters=False)
        self._place.clear()
        with self._place:
            build()
        self._form = form

    def _leave(self) -> None:
        self._form = None
        self._place.clear()
        self.screen.refresh()

    def _declare(self, tap: Tap) -> None:
        async def send(reason: str) -> bool:
            if self.screen.staff.level < DECIDE_LEVEL:
                return False
            order = ResetTapSync(tap_id=tap.id, reason=reason)
            return await self.screen.order(order, Tap) is not None

        self._dialog.open(
            Ask(
                title=f"Declare tap {tap.id} settled",
                note="Its pours are in the books by hand, or the tap is lost. It may pour again.",
                verb="Declare settled",
                reasons=("Entered by hand", "Controller replaced"),
                is_grave=True,
            ),
            send,
        )

    async def _mark_sent(self, event: PosEvent) -> None:
        await self.screen.order(MarkPosEventSent(event_id=event.id), PosEvent)

    async def _retry(self, event: PosEvent) -> None:
        await self.screen.order(RetryPosEvent(event_id=event.id), PosEvent)

    def _choose_queue(self, queue: str) -> None:
        self._queue = queue
        self.screen.refresh()
