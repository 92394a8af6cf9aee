"""Plays one seed: load, faults, quiet, and then the books must agree with the taps."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pourline.testkit.bar import GuestSeat
from pourline.testkit.ending import end
from pourline.testkit.resilience import truth
from pourline.testkit.resilience.books import account_of, books_of
from pourline.testkit.resilience.controllers import Controllers, Seat
from pourline.testkit.resilience.faults import Scene
from pourline.testkit.resilience.raw import RawSeat, RawTaps, in_any_order, in_order, plan
from pourline.testkit.resilience.schedule import Schedule, Step
from pourline.testkit.resilience.truth import Account, Booked, Poured
from pourline.testkit.resilience.world import PRICE, RAW_TAPS, TOP_UP, Probe, World
from pourline.testkit.until import until

CARDS_A_TAP: Final = 2
READY_WITHIN_S: Final = 60.0
ANSWERED_WITHIN_S: Final = 60.0
BOOKED_WITHIN_S: Final = 30.0
TOLD_WITHIN_S: Final = 15.0
PROBED_WITHIN_S: Final = 75.0


@dataclass(kw_only=True)
class Served:
    """How long after a fault the first card shown was served; None: it was not.

    A fault was `alone` if nothing else was wrong, or not yet over, until then. `after_all_s` is
    how long after the last of what was wrong beside it, and was over by then, a card was served.
    """

    kind: str
    target: str
    again_after_s: float | None
    after_all_s: float | None = None
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A fault that was done: when it began, from when being served counts, its end; monotonic."""

    step: Step
    begun_s: float
    since_s: float
    ended_s: float


@dataclass(kw_only=True)
class Outcome:
    """What came of one seed."""

    seed: int
    world: str
    pours: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    cards_shown_again: int = 0
    elapsed_s: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether nothing was lost, nothing charged twice, and everything else holds."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        """Say it in one line, and what is wrong below."""
        again = [one.again_after_s for one in self.served if one.again_after_s is not None]
        line = (
            f"seed {self.seed}: {self.pours} pours, {len(self.lost)} lost,"
            f" {len(self.doubled)} doubled, served again within {max(again, default=0.0):.1f} s,"
            f" {self.elapsed_s:.0f} s in all"
        )
        return "\n".join([line, *(f"  {one}" for one in self.lost + self.doubled + self.wrong)])


async def play(world: World, timetable: Schedule) -> Outcome:
    """Play one evening on a running bar and check what must hold."""
    evening = Evening(world, timetable)
    begun_s = time.monotonic()
    try:
        await evening.open()
        await evening.pour()
        await evening.quieten()
        await evening.check()
    except (AssertionError, TimeoutError, ExceptionGroup) as error:
        evening.outcome.wrong.append(f"{type(error).__name__}: {_flat(error)}")
    finally:
        await evening.close()
    evening.outcome.elapsed_s = time.monotonic() - begun_s
    return evening.outcome


class Evening:
    """One seed on a running bar: guests, load, faults."""

    def __init__(self, world: World, timetable: Schedule) -> None:
        self._world = world
        self._schedule = timetable
        self._raw = RawTaps(world.fleet, world.answers)
        self._probe = Probe()
        self._closing = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []
        self._guests: list[GuestSeat] = []
        self._raw_guests: list[GuestSeat] = []
        self._controllers: Controllers
        self._ended: list[Happened] = []
        self._accounts: list[Account] = []
        self.outcome = Outcome(seed=timetable.seed, world=world.kind.value)

    async def open(self) -> None:
        """Let guests come in and taps come up."""
        world, seed = self._world, self._schedule.seed
        count = RAW_TAPS + 1 + len(world.controlled) * CARDS_A_TAP
        self._guests = await world.seat_guests(count)
        self._raw_guests, prober = self._guests[:RAW_TAPS], self._guests[RAW_TAPS]
        cards = [guest.card_uid for guest in self._guests[RAW_TAPS + 1 :]]
        seats = [
            Seat(
                tap_id=tap.tap_id,
                secret=tap.secret,
                cards=tuple(cards[number :: len(world.controlled)]),
            )
            for number, tap in enumerate(world.controlled)
        ]
        self._controllers = Controllers(
            world.folder / f"seed-{seed}",
            seats,
            mqtt_url=world.mqtt_url,
            seed=seed,
            between_guests_s=self._schedule.between_guests_s,
        )
        await self._controllers.start()
        await until(lambda: self._is_served(prober.card_uid), within_s=30)
        probing = world.probe(prober.card_uid, self._probe, self._closing)
        self._background = [
            asyncio.create_task(probing),
            asyncio.create_task(self._raw.repeat()),
        ]

    async def _is_served(self, card_uid: str) -> bool:
        with contextlib.suppress(TimeoutError):
            return await self._world.serves(self._world.raw[-1].tap_id, card_uid)
        return False

    async def pour(self) -> None:
        """Let the taps pour while things go wrong."""
        timetable = self._schedule
        dice = random.Random(timetable.seed)  # noqa: S311 - it must repeat itself
        seats = [
            RawSeat(tap_id=tap.tap_id, visit_id=guest.visit_id, price_per_litre=PRICE)
            for tap, guest in zip(self._world.raw, self._raw_guests, strict=False)
        ]
        messages = plan(
            dice, self._world.fleet, seats, pours=timetable.raw_pours, over_s=timetable.load_s
        )
        sendings = in_order(messages)
        if timetable.copies > 1:
            sendings = in_any_order(
                dice,
                messages,
                copies=timetable.copies,
                window=timetable.window,
                over_s=timetable.load_s,
            )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._raw.pour(sendings))
            for step in timetable.steps:
                group.create_task(self._go_wrong(step))

    async def _go_wrong(self, step: Step) -> None:
        scene = Scene(self._world, self._controllers, self._raw)
        await asyncio.sleep(step.at_s)
        begun_s = since_s = time.monotonic()
        try:
            await step.fault.inject(scene)
            await asyncio.sleep(step.duration_s)
        finally:
            await step.fault.heal(scene)
        ended_s = time.monotonic()
        if not step.fault.is_served_from_start:
            since_s = ended_s
        self._ended.append(Happened(step=step, begun_s=begun_s, since_s=since_s, ended_s=ended_s))

    async def quieten(self) -> None:
        """Wait, bounded, until everybody has been answered."""
        await self._world.bar.ready(within_s=READY_WITHIN_S)
        await until(self._all_answered, lambda left: not left, within_s=ANSWERED_WITHIN_S)
        await self._controllers.last_orders(within_s=ANSWERED_WITHIN_S)
        last_s = max((one.ended_s for one in self._ended), default=0.0)
        await until(self._served(last_s), lambda seen: seen is not None, within_s=PROBED_WITHIN_S)
        self._closing.set()
        await asyncio.wait_for(self._background[0], PROBED_WITHIN_S)

    def _served(self, at_s: float) -> Callable[[], Awaitable[float | None]]:
        async def look() -> float | None:
            return self._probe.again_after(at_s)

        return look

    async def _all_answered(self) -> list[str]:
        return [message.client_tx_id for message in self._raw.unanswered]

    async def check(self) -> None:
        """Compare the books with what the taps know, and the bar with its own invariants."""
        outcome, poured = self.outcome, self._truth()
        outcome.pours = len(poured)
        outcome.served = served(self._ended, self._probe)
        outcome.wrong += self._odd_answers() + self._controllers.left_in_stores()
        await self._verify()
        await self._show_cards_again()
        poured = self._truth()
        books = await self._books()
        outcome.lost = truth.lost(poured, books)
        real = {pour.client_tx_id for pour in poured if pour.volume_ml}
        charged = {key: one for key, one in books.items() if key in real or one.volume_ml}
        outcome.doubled = truth.doubled(poured, charged)
        outcome.wrong += truth.misbalanced(poured, self._accounts)
        outcome.wrong += truth.fastened(self._accounts)
        outcome.wrong += await self._kegs(poured)
        outcome.wrong += await self._last_words()

    async def close(self) -> None:
        """Stop what still runs of this evening."""
        self._closing.set()
        await end(*self._background)
        await self._controllers.kill()

    def _truth(self) -> list[Poured]:
        """Return everything that any tap has stored."""
        raw = [message.truth for message in self._raw.sent if message.truth]
        return raw + self._controllers.truth(PRICE)

    def _odd_answers(self) -> list[str]:
        """Return answers that are none for their message, and repeats that differ."""
        odd = []
        for message in self._raw.sent:
            heard = self._world.answers.heard.get(message.client_tx_id, [])
            fine = {"accepted", "duplicate"} if message.truth else {"rejected"}
            told = {str(one["status"]) for one in heard} if message.client_tx_id else set()
            amounts = {str(one.get("amount")) for one in heard}
            if told - fine or (message.truth and len(amounts) != 1):
                odd.append(f"answers {heard} to {message.fields or message.payload!r}"[:500])
        return odd

    async def _verify(self) -> None:
        code, text = await self._world.bar.run("verify")
        if code:
            self.outcome.wrong.append(f"verify exits {code}: {text.strip()}"[:2000])

    async def _show_cards_again(self) -> None:
        """Let guests whose answer was lost on its way show their card again, then look anew.

        Their grants were never stored by a tap, so that nobody but they can end them.
        """
        self._accounts = [
            await account_of(self._world.bar, guest, topped_up=TOP_UP) for guest in self._guests
        ]
        stuck = {one.visit_id for one in self._accounts if one.active_tap_id}
        cards = {guest.card_uid for guest in self._guests if guest.visit_id in stuck}
        self.outcome.cards_shown_again = len(cards)
        if cards:
            await self._controllers.goodbye(cards, within_s=ANSWERED_WITHIN_S)
            self.outcome.wrong += self._controllers.left_in_stores()
            await self._verify()
            self._accounts = [
                await account_of(self._world.bar, guest, topped_up=TOP_UP) for guest in self._guests
            ]

    async def _books(self) -> dict[str, Booked]:
        books: dict[str, Booked] = {}
        for guest in self._guests:
            books |= await books_of(self._world.bar, guest.visit_id)
        return books

    async def _last_words(self) -> list[str]:
        """Return the taps and alerts whose retained word is not what they are, once it settled."""
        differ: list[str] = []

        async def look() -> list[str]:
            differ[:] = await self._world.last_words_that_differ()
            return differ

        with contextlib.suppress(AssertionError):
            await until(look, lambda found: not found, within_s=TOLD_WITHIN_S)
        return differ

    async def _kegs(self, poured: Sequence[Poured]) -> list[str]:
        """Return the taps whose keg has not lost exactly what they poured, all evenings long."""
        before, now = self._world.poured_before, truth.volumes(poured)
        nothing = Decimal(0)
        wanted = {tap: before.get(tap, nothing) + now.get(tap, nothing) for tap in {*before, *now}}
        self._world.poured_before = wanted
        gone = await self._world.gone()
        return [
            f"keg of {tap}: {gone[tap]} ml are gone, {volume} ml were poured"
            for tap, volume in sorted(wanted.items())
            if gone[tap] != volume
        ]


def served(faults: Sequence[Happened], probe: Probe) -> list[Served]:
    """Return how long each fault kept a card from being served, and whether it did so alone."""

    def over_s(fault: Happened) -> float:
        again_after_s = probe.again_after(fault.since_s)
        return math.inf if again_after_s is None else fault.since_s + again_after_s

    def told(fault: Happened) -> Served:
        beside = [
            other
            for other in faults
            if other is not fault
            and other.begun_s <= over_s(fault)
            and fault.begun_s <= over_s(other)
        ]
        ends_s = [other.ended_s for other in beside if other.ended_s <= over_s(fault)]
        return Served(
            kind=fault.step.fault.kind,
            target=fault.step.fault.target,
            again_after_s=probe.again_after(fault.since_s),
            after_all_s=probe.again_after(max([fault.since_s, *ends_s])),
            alone=not beside,
        )

    return [told(one) for one in faults]


def _flat(error: BaseException) -> str:
    """Say an error in one line, a group by its parts."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_flat(one) for one in error.exceptions)
    return f"{type(error).__name__} {error}"[:1000]
