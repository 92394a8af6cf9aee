"""One tap, alive: the machine of `domain` between its hardware, its records and its link.

Everything runs on one asyncio loop, as tasks that never wait for each other (OP-1): card reader,
timers, flow meter, link, sync, notes. What blocks, the fsync of the store, runs in an
executor, and its end is an event of the machine. The valve is shut at once, never queued, and an
error in any of them shuts it before all else.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import replace
from typing import Final

from uuid_utils.compat import uuid7

from pourline.controller import payloads
from pourline.controller.clock import Clock
from pourline.controller.domain import (
    GAS,
    Ask,
    CardShown,
    CardTaken,
    CloseValve,
    Effect,
    EndGrant,
    Event,
    Flow,
    Grant,
    GrantStored,
    GrantUnstorable,
    Metered,
    OpenValve,
    Phase,
    PourStored,
    Refuse,
    ResumeOrdered,
    StopOrdered,
    StoreGrant,
    Tap,
    Ticked,
    ValveShut,
    step,
)
from pourline.controller.hardware import Hardware
from pourline.controller.link import Hooks, Identity, Link
from pourline.controller.metering import Metering
from pourline.controller.observer import Observer
from pourline.controller.outgoing import FLOW_EVERY_MS, Condition, Outgoing
from pourline.controller.recorder import Recorder
from pourline.controller.screen import Screen, millilitres
from pourline.controller.settings import TapConfig
from pourline.controller.store import Store
from pourline.controller.sync import Sync, SyncHooks

log = logging.getLogger(__name__)

TICK_S: Final = 0.05
SAMPLE_S: Final = 0.02
LEAK_SAMPLE_S: Final = 0.5
NOTE_EVERY_MS: Final = 1_000
"""What a power cut may lose of the pulses, poured or dripped."""
QUEUED: Final = 512
"""Messages that a link which stopped reading may hold: some minutes of a busy tap."""
STOP_WITHIN_S: Final = 5.0
"""A disk that hangs delays the end this long; the next start ends what was left open."""


class TapController:
    """The reference controller of one tap; `run` lives until cancelled."""

    def __init__(
        self,
        config: TapConfig,
        *,
        hardware: Hardware,
        store: Store,
        clock: Clock,
        executor: Executor,
        observer: Observer | None = None,
    ) -> None:
        self.config = config
        self._hardware = hardware
        self._clock = clock
        self._observer = observer or Observer()
        self._records = Recorder(store, rules=config.rules, clock=clock, executor=executor)
        self._meter = Metering(
            hardware.meter, records=self._records, clock=clock, rules=config.rules
        )
        self._screen = Screen(hardware.display, now_ms=clock.elapsed_ms)
        self._tap = Tap()
        self._link_broke = False
        self._is_over = False
        self._told_open = False
        self._pours = 0
        self._gas = self._gas_heard = False
        self._jobs: set[asyncio.Task[None]] = set()
        self._pouring = asyncio.Event()
        self._failed = asyncio.Event()
        self._failure: BaseException | None = None
        self.link = self._new_link()
        self._say = Outgoing(config, link=self.link, clock=clock, condition=self._condition)
        self._sync = self._new_sync()

    @property
    def phase(self) -> Phase:
        """Where the tap is between two guests."""
        return self._tap.phase

    @property
    def is_stopped(self) -> bool:
        """Whether the bar has ordered the valve to stay shut."""
        return self._tap.stopped

    @property
    def unanswered(self) -> int:
        """How many stored pours have no status."""
        return self._sync.unanswered

    async def run(self) -> None:
        """End what a power cut left open, then serve; the valve is shut on every way out."""
        self._hardware.valve.close()
        try:
            async with asyncio.TaskGroup() as tasks:
                for task in (self._shut_when_over, *self._hardware.tasks):
                    tasks.create_task(task())
                for pour in await self._records.restart():
                    self._sync.add(pour, age_s=self._records.age_s(pour))
                watches = (self._watch_cards, self._watch_time, self._watch_flow, self._watch_leaks)
                for task in (self.link.run, self._sync.run, self._records.keep_notes, *watches):
                    tasks.create_task(task())
        finally:
            self._is_over = True
            self._hardware.valve.close()
            await self._finish_writing()

    def fail(self, error: BaseException) -> None:
        """End `run` with an error that was met outside its tasks; the valve shuts first."""
        self._failure = self._failure or error
        self._failed.set()

    async def _shut_when_over(self) -> None:
        """Shut the valve the moment the others are told to end, not when they have ended."""
        try:
            await self._failed.wait()
        finally:
            self._hardware.valve.close()
        if self._failure is not None:
            raise self._failure

    async def _finish_writing(self) -> None:
        """Let commits under way end, and note the last flow of a pour that the stop cut short."""
        if self._tap.grant and self._tap.phase in {Phase.POURING, Phase.SETTLING}:
            self._records.note(self._tap.grant, self._meter.read())
        self._start(self._records.store_note())
        _, late = await asyncio.wait(self._jobs, timeout=STOP_WITHIN_S)
        for job in late:
            log.error("commit_given_up", extra={"job": job.get_name()})
            job.cancel()
        if late:
            await asyncio.wait(late)

    async def _watch_cards(self) -> None:
        while True:
            card_uid = await self._hardware.reader.next_card()
            if card_uid is None:
                self._happen(CardTaken())
            elif not self._hardware.valve.is_ready:
                self._do(Refuse("unavailable", "This tap is not ready yet."))
            else:
                self._happen(CardShown(card_uid, str(uuid7())))

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._tap.phase is Phase.POURING and not self._hardware.valve.is_open:
                self._happen(ValveShut())
            elif self._tap.phase is not Phase.IDLE:
                self._happen(Ticked())
            if self._told_open != self._hardware.valve.is_open:
                self._tell_status()
            self._screen.tick(at_rest=self._tap.phase is Phase.IDLE)

    async def _watch_flow(self) -> None:
        """Sample the meter while a grant is poured; tell and store the flow once a second."""
        told, told_ms = Flow(), 0
        while True:
            await self._pouring.wait()
            flow, now_ms = self._meter.read(), self._clock.elapsed_ms()
            self._happen(Metered(flow))
            grant = self._tap.grant
            if grant and flow != told and now_ms - told_ms >= FLOW_EVERY_MS:
                self._say.flow(grant, flow, told, now_ms - told_ms)
                self._records.note(grant, flow)
                told, told_ms = flow, now_ms
            if self._tap.phase not in {Phase.POURING, Phase.SETTLING}:
                self._pouring.clear()
            await asyncio.sleep(SAMPLE_S)

    async def _watch_leaks(self) -> None:
        """Report beer that runs past a shut valve, once it rests: flow that nobody asked for."""
        noted_ms = 0
        while True:
            await asyncio.sleep(LEAK_SAMPLE_S)
            if self._tap.phase is not Phase.IDLE:
                continue
            if leak := self._meter.leak():
                self._start(self._record(None, *leak))
                continue
            now_ms = self._clock.elapsed_ms()
            is_news = self._records.lifetime_pulses > self._records.stored_pulses
            if is_news and now_ms - noted_ms >= NOTE_EVERY_MS:
                self._records.note(None, Flow())
                noted_ms = now_ms

    def _happen(self, event: Event) -> None:
        """Step the machine and do what it wants; nothing more once `run` is over.

        A grant whose commit ends after that never opens the valve: the next start ends it.
        """
        if self._is_over:
            return
        rules = self.config.rules
        self._tap, effects = step(self._tap, event, now_ms=self._clock.elapsed_ms(), rules=rules)
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case CloseValve():
                self._hardware.valve.close()
                self._tell_status(anyway=True)
            case OpenValve(at_most_ms=at_most_ms):
                self._open(at_most_ms)
            case Ask():
                self._say.ask(effect)
            case StoreGrant(grant=grant):
                self._start(self._store_grant(grant))
            case EndGrant():
                self._end(effect)
            case Refuse():
                self._screen.say(effect.message or effect.reason)
                self._observer.refused(self.config.tap_id, effect.reason)

    def _open(self, at_most_ms: int) -> None:
        self._meter.begin()
        self._gas = self._gas_heard = False  # the bar would not have let it open
        self._link_broke = not self.link.is_up
        self._hardware.valve.open(at_most_ms=at_most_ms)
        self._pouring.set()
        self._tell_status()
        if self._tap.grant:
            self._screen.say(f"Up to {millilitres(self._tap.grant.max_volume_ml)}. Cheers!")
            self._observer.opened(self.config.tap_id, self._tap.grant)

    def _start(self, job: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            self.fail(error)

    async def _store_grant(self, grant: Grant) -> None:
        self._sync.overdue_after(grant.sync_timeout_s)
        try:
            await self._records.open_grant(grant)
        except sqlite3.Error:
            log.exception("grant_not_stored", extra={"grant_id": grant.grant_id})
            self._happen(GrantUnstorable())
            return
        in_time = grant.may_open(elapsed_ms=self._clock.elapsed_ms(), wall=self._clock.wall())
        self._happen(GrantStored(in_time=in_time))

    def _end(self, effect: EndGrant) -> None:
        """Record a pour; its pulses leave the meter, or they would be taken for a leak."""
        if self._tap.phase is Phase.ENDING:
            self._meter.end(effect.flow)
        if effect.by == GAS:
            self._gas = True
            self._screen.say("This keg is empty. Please ask staff.")
            self._tell_status()
        self._start(self._end_grant(effect))

    async def _end_grant(self, effect: EndGrant) -> None:
        await self._record(effect.grant, effect.flow, effect.ended_ms)
        if self._tap.phase is Phase.ENDING and self._tap.grant == effect.grant:
            self._happen(PourStored())

    async def _record(self, grant: Grant | None, flow: Flow, ended_ms: int) -> None:
        """Store a pour, then hand it to the sync."""
        offline = self._link_broke or not self.link.is_up
        pour = await self._records.end(grant, flow, ended_ms, offline=offline)
        self._pours += 1
        self._sync.add(pour)
        self._screen.say(millilitres(pour.volume_ml))
        self._observer.poured(self.config.tap_id, pour)

    def _new_sync(self) -> Sync:
        hooks = SyncHooks(
            send=self._say.pour,
            forget=self._records.forget,
            changed=self._tell_status,
            overdue=self._screen.overdue,
        )
        return Sync(
            hooks=hooks,
            now_s=lambda: self._clock.elapsed_ms() / 1000,
            backoff=replace(self.config.backoff, seed=self.config.tap_id),
            overdue_s=self.config.overdue_s,
        )

    def _new_link(self) -> Link:
        config = self.config
        topics = ("authorize/result", "pour/result", "state", "command")
        identity = Identity(
            client_id=f"tap-{config.tap_id}",
            password=config.secret,
            subscriptions=tuple(config.topic(name) for name in topics),
        )
        hooks = Hooks(
            message=self._received,
            up=self._up,
            down=self._down,
            will=lambda: self._say.will(self._sync.unanswered),
        )
        return Link(config.broker, identity, hooks=hooks, queued=QUEUED)

    def _up(self) -> None:
        self._tell_status(anyway=True)
        self._sync.reconnected()

    def _down(self) -> None:
        self._link_broke = True

    def _tell_status(self, *, anyway: bool = False) -> None:
        self._told_open = self._hardware.valve.is_open
        self._say.status(anyway=anyway)

    def _condition(self) -> Condition:
        return Condition(
            pending_sync=self._sync.pending,
            is_open=self._hardware.valve.is_open,
            pours=self._pours,
            pulses=self._records.stored_pulses,
            gas=self._gas,
        )

    def _received(self, topic: str, payload: bytes) -> None:
        """Take a message of any quality; what cannot be read is logged and left."""
        name = topic.removeprefix(self.config.topic(""))
        readers: dict[str, Callable[[bytes], None]] = {
            "authorize/result": lambda body: self._happen(payloads.answer(body)),
            "pour/result": self._answered,
            "state": self._state,
            "command": self._command,
        }
        reader = readers.get(name)
        if reader is None or not payload:
            return
        try:
            reader(payload)
        except payloads.Unreadable as error:
            log.warning("message_unreadable", extra={"topic": topic, "why": str(error)})

    def _answered(self, payload: bytes) -> None:
        result = payloads.read(payload)
        client_tx_id, status = result.get("client_tx_id"), result.get("status")
        if not isinstance(client_tx_id, str) or not isinstance(status, str) or not status:
            raise payloads.Unreadable("client_tx_id or status")
        if self._sync.answered(client_tx_id):
            log.info("pour_answered", extra={"client_tx_id": client_tx_id, "status": status})
            self._observer.answered(self.config.tap_id, result)

    def _state(self, payload: bytes) -> None:
        state = payloads.read(payload).get("state")
        stopped = state == "stopped"
        if state == "out_of_keg":
            self._gas_heard = True
        elif state == "active" and self._gas_heard:
            self._gas = self._gas_heard = False  # another keg is on, or staff say there is beer
            self._tell_status()
        self._happen(StopOrdered() if stopped else ResumeOrdered())

    def _command(self, payload: bytes) -> None:
        body = payloads.read(payload)
        match body.get("command"):
            case "stop":
                self._happen(StopOrdered())
            case "resume":
                self._happen(ResumeOrdered())
            case "show":
                self._screen.say(str(body.get("message") or body.get("text") or ""))
            case other:
                log.warning("command_unknown", extra={"command": str(other)})
