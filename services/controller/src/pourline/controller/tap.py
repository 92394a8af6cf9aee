"""One tap, alive: the machine of `domain` between its hardware, its records and its link.

Everything runs on one asyncio loop, as tasks that never wait for each other (OP-1): card reader,
timers, flow meter, link, sync. What blocks, the fsync of the store, runs in an
executor, and its end is an event of the machine. The valve is shut at once, never queued.
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
    Pour,
    PourStored,
    Refuse,
    ResumeOrdered,
    StopOrdered,
    StoreGrant,
    Tap,
    Ticked,
    step,
    volume_ml,
)
from pourline.controller.hardware import Hardware
from pourline.controller.link import Hooks, Identity, Link, Will
from pourline.controller.observer import Observer
from pourline.controller.recorder import Recorder
from pourline.controller.settings import TapConfig
from pourline.controller.store import Store
from pourline.controller.sync import Sync, SyncHooks

log = logging.getLogger(__name__)

FIRMWARE: Final = "pourline-controller 1"
TICK_S: Final = 0.05
SAMPLE_S: Final = 0.02
FLOW_EVERY_MS: Final = 1_000
LEAK_SAMPLE_S: Final = 0.5
LEAK_LEAST_ML: Final = 10
"""Drips below this stay on the meter until they have become a leak worth reporting."""


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
        self._tap = Tap()
        self._lifetime_seen = 0
        self._link_broke = False
        self._is_over = False
        self._told: tuple[object, ...] = ()
        self._jobs: set[asyncio.Task[None]] = set()
        self._pouring = asyncio.Event()
        self._sync = self._new_sync()
        self.link = self._new_link()

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
        for pour in await self._records.restart():
            self._sync.add(pour, age_s=self._records.age_s(pour))
        try:
            async with asyncio.TaskGroup() as tasks:
                for task in (self.link.run, self._sync.run, self._watch_cards, self._watch_time):
                    tasks.create_task(task())
                tasks.create_task(self._watch_flow())
                tasks.create_task(self._watch_leaks())
        finally:
            self._is_over = True
            self._hardware.valve.close()
            if self._jobs:
                await asyncio.wait(self._jobs)

    async def _watch_cards(self) -> None:
        while True:
            card_uid = await self._hardware.reader.next_card()
            if card_uid is None:
                self._happen(CardTaken())
            else:
                self._happen(CardShown(card_uid, str(uuid7())))

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._tap.phase is not Phase.IDLE:
                self._happen(Ticked())

    async def _watch_flow(self) -> None:
        """Sample the meter while a grant is poured; tell and store the flow once a second."""
        told, told_ms = Flow(), 0
        while True:
            await self._pouring.wait()
            flow, now_ms = self._read_meter(), self._clock.elapsed_ms()
            self._happen(Metered(flow))
            grant = self._tap.grant
            if grant and flow != told and now_ms - told_ms >= FLOW_EVERY_MS:
                self._tell_flow(grant, flow, told, now_ms - told_ms)
                told, told_ms = flow, now_ms
            if self._tap.phase not in {Phase.POURING, Phase.SETTLING}:
                self._pouring.clear()
            await asyncio.sleep(SAMPLE_S)

    def _tell_flow(self, grant: Grant, flow: Flow, before: Flow, over_ms: int) -> None:
        volume = volume_ml(flow.pulses, self.config.rules.ml_per_pulse)
        recent = max(0, flow.pulses - before.pulses) if over_ms < 2 * FLOW_EVERY_MS else 0
        rate = volume_ml(recent, self.config.rules.ml_per_pulse) * 1000 / over_ms
        fields: dict[str, object] = {
            "grant_id": grant.grant_id,
            "volume_ml": volume,
            "pulses": flow.pulses,
            "rate_ml_s": round(rate, 3),
        }
        self.link.publish(self.config.topic("flow"), payloads.write(fields), qos=0)
        self._start(self._records.note_flow(grant, flow))

    async def _watch_leaks(self) -> None:
        """Report beer that runs past a shut valve, once it rests: flow that nobody asked for."""
        seen, since_ms = 0, 0
        while True:
            await asyncio.sleep(LEAK_SAMPLE_S)
            if self._tap.phase is not Phase.IDLE:
                continue
            flow, now_ms = self._read_meter(), self._clock.elapsed_ms()
            if flow.pulses != seen:
                seen, since_ms = flow.pulses, now_ms
            volume = volume_ml(flow.pulses, self.config.rules.ml_per_pulse)
            if volume >= LEAK_LEAST_ML and now_ms - since_ms >= self.config.rules.leak_settled_ms:
                self._restart_meter()
                self._start(self._record(None, flow, since_ms))

    def _read_meter(self) -> Flow:
        flow = self._hardware.meter.read()
        self._records.lifetime_pulses += flow.pulses - self._lifetime_seen
        self._lifetime_seen = flow.pulses
        return flow

    def _restart_meter(self) -> None:
        self._read_meter()
        self._hardware.meter.restart()
        self._lifetime_seen = 0

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
                self._ask(effect)
            case StoreGrant(grant=grant):
                self._start(self._store_grant(grant))
            case EndGrant():
                self._end(effect)
            case Refuse():
                self._hardware.display.show(effect.message or effect.reason)
                self._observer.refused(self.config.tap_id, effect.reason)

    def _open(self, at_most_ms: int) -> None:
        self._restart_meter()
        self._link_broke = not self.link.is_up
        self._hardware.valve.open(at_most_ms=at_most_ms)
        self._pouring.set()
        self._tell_status()
        if self._tap.grant:
            self._hardware.display.show(f"Up to {self._tap.grant.max_volume_ml} ml. Cheers!")
            self._observer.opened(self.config.tap_id, self._tap.grant)

    def _ask(self, ask: Ask) -> None:
        fields: dict[str, object] = {
            "request_id": ask.request_id,
            "card_uid": ask.card_uid,
            "at": payloads.instant(self._clock.wall()),
            "age_ms": ask.age_ms,
        }
        self.link.publish(self.config.topic("authorize"), payloads.write(fields))

    def _start(self, job: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _store_grant(self, grant: Grant) -> None:
        try:
            await self._records.open_grant(grant)
        except sqlite3.Error:
            log.exception("grant_not_stored", extra={"grant_id": grant.grant_id})
            self._happen(GrantUnstorable())
            return
        in_time = grant.expires_at is None or self._clock.wall() <= grant.expires_at
        self._happen(GrantStored(in_time=in_time))

    def _end(self, effect: EndGrant) -> None:
        """Record a pour; its pulses leave the meter, or they would be taken for a leak."""
        if self._tap.phase is Phase.ENDING:
            self._restart_meter()
        self._start(self._end_grant(effect))

    async def _end_grant(self, effect: EndGrant) -> None:
        await self._record(effect.grant, effect.flow, effect.ended_ms)
        if self._tap.phase is Phase.ENDING and self._tap.grant == effect.grant:
            self._happen(PourStored())

    async def _record(self, grant: Grant | None, flow: Flow, ended_ms: int) -> None:
        """Store a pour, then hand it to the sync."""
        offline = self._link_broke or not self.link.is_up
        pour = await self._records.end(grant, flow, ended_ms, offline=offline)
        self._sync.add(pour)
        self._hardware.display.show(f"{pour.volume_ml} ml")
        self._observer.poured(self.config.tap_id, pour)

    def _new_sync(self) -> Sync:
        hooks = SyncHooks(
            send=self._send_pour,
            forget=self._records.forget,
            changed=self._tell_status,
            overdue=self._show_overdue,
        )
        return Sync(
            hooks=hooks,
            now_s=lambda: self._clock.elapsed_ms() / 1000,
            backoff=replace(self.config.backoff, seed=self.config.tap_id),
            overdue_s=self.config.overdue_s,
        )

    def _send_pour(self, pour: Pour) -> bool:
        return self.link.publish(self.config.topic("pour"), payloads.pour(pour, self._clock))

    def _show_overdue(self, pour: Pour) -> None:
        """Show what staff need to enter this pour by hand (SY-4)."""
        amount = pour.amount
        cost = "" if amount is None else f", {amount // 100}.{amount % 100:02d}"
        self._hardware.display.show(f"Pour {pour.short_id}: {pour.volume_ml} ml{cost}. Call staff.")

    def _new_link(self) -> Link:
        config = self.config
        topics = ("authorize/result", "pour/result", "state", "command")
        identity = Identity(
            client_id=f"tap-{config.tap_id}",
            password=config.secret,
            subscriptions=tuple(config.topic(name) for name in topics),
        )
        hooks = Hooks(message=self._received, up=self._up, down=self._down, will=self._will)
        return Link(config.broker, identity, hooks=hooks)

    def _up(self) -> None:
        self._tell_status(anyway=True)
        self._sync.reconnected()

    def _down(self) -> None:
        self._link_broke = True

    def _will(self) -> Will:
        return Will(self.config.topic("status"), self._status(online=False))

    def _tell_status(self, *, anyway: bool = False) -> None:
        """Publish the status when it says something new."""
        facts = (self._sync.pending, self._hardware.valve.is_open)
        if not anyway and facts == self._told:
            return
        if self.link.publish(self.config.topic("status"), self._status(online=True), retain=True):
            self._told = facts

    def _status(self, *, online: bool) -> bytes:
        valve = "open" if online and self._hardware.valve.is_open else "closed"
        fields: dict[str, object] = {
            "online": online,
            "at": payloads.instant(self._clock.wall()),
            "firmware": FIRMWARE,
            "pending_sync": self._sync.pending if online else self._sync.unanswered,
            "valve": valve,
            "lifetime_pulses": self._records.lifetime_pulses,
        }
        return payloads.write(fields)

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
        stopped = payloads.read(payload).get("state") == "stopped"
        self._happen(StopOrdered() if stopped else ResumeOrdered())

    def _command(self, payload: bytes) -> None:
        body = payloads.read(payload)
        match body.get("command"):
            case "stop":
                self._happen(StopOrdered())
            case "resume":
                self._happen(ResumeOrdered())
            case "show":
                self._hardware.display.show(str(body.get("message") or body.get("text") or ""))
            case other:
                log.warning("command_unknown", extra={"command": str(other)})
