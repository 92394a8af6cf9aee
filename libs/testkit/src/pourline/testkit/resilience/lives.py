"""A controller's lives and deaths as the harness sees them: fork, kill, start again, compare."""

import asyncio
import contextlib
import json
import multiprocessing
import random
import re
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pourline.controller.store import Store
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat
from pourline.testkit.resilience import truth
from pourline.testkit.resilience.books import account_of, books_of
from pourline.testkit.resilience.controllers import RULES, Drinkers, WitnessedStore, witnessed
from pourline.testkit.resilience.crash import LIFE_S, Life, live
from pourline.testkit.resilience.proxy import LOOPBACK, Proxy, proxied
from pourline.testkit.resilience.truth import Poured
from pourline.testkit.resilience.world import PRICE, TOP_UP
from pourline.testkit.until import until

VOLUME_ML: Final = 250
SETTLED_WITHIN_S: Final = 30.0
PUBLISHED: Final = re.compile(rb'"client_tx_id":"([0-9a-f-]{36})"')


@dataclass(kw_only=True)
class Wards:
    """The bar, taps for controllers to live at, and what their proxy heard them publish."""

    bar: RunningBar
    folder: Path
    taps: Sequence[TapSeat]
    proxy: Proxy
    published: dict[str, float]


@dataclass(kw_only=True)
class Death:
    """What a death left behind, and what is wrong with it; `kill_at` is 0 for a full life."""

    kill_at: int
    was_killed: bool
    steps: int = 0
    left_ml: Decimal | None = None
    """What the store knew of the pour of the grant that it still held; None: it held none."""
    wrong: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def wards(bar: RunningBar, folder: Path, *, count: int) -> AsyncIterator[Wards]:
    """Set up taps for controllers to die at."""
    taps = [await bar.seat_tap(keg_ml=10_000_000, price_per_litre=PRICE) for _ in range(count)]
    published: dict[str, float] = {}

    def heard(at_s: float, data: bytes) -> None:
        for found in PUBLISHED.findall(data):
            published.setdefault(found.decode(), at_s)

    port = urlsplit(bar.mqtt_url).port
    assert port is not None
    async with proxied(port, heard=heard) as proxy:
        yield Wards(bar=bar, folder=folder, taps=taps, proxy=proxy, published=published)


async def die(
    where: Wards, kills: Sequence[int], *, seed: int, loses_power: bool = False
) -> list[Death]:
    """Let a controller die at each of these steps, as many side by side as there are taps."""
    waiting = list(enumerate(kills))
    deaths: list[Death] = []

    async def at_tap(tap: TapSeat) -> None:
        while waiting:
            number, kill_at = waiting.pop(0)
            dice = random.Random(f"{seed}:{number}")  # noqa: S311 - it must repeat itself
            deaths.append(await _die(where, tap, kill_at, dice if loses_power else None))

    async with asyncio.TaskGroup() as group:
        for tap in where.taps:
            group.create_task(at_tap(tap))
    return sorted(deaths, key=lambda one: one.kill_at)


async def every_step(where: Wards) -> range:
    """Return every step at which a controller can die, as full lives at all taps count them."""
    full = await die(where, [0] * len(where.taps), seed=0)
    assert not any(one.wrong for one in full), full
    return range(1, max(one.steps for one in full) + 1)


async def _die(where: Wards, tap: TapSeat, kill_at: int, power: random.Random | None) -> Death:
    guest = await where.bar.seat_guest(amount=TOP_UP)
    folder = where.folder / f"{guest.card_uid}"
    folder.mkdir(parents=True)
    life = Life(
        folder=folder,
        tap_id=tap.tap_id,
        secret=tap.secret,
        mqtt_url=f"mqtt://{LOOPBACK}:{where.proxy.port}",
        card_uid=guest.card_uid,
        volume_ml=VOLUME_ML,
        kill_at=kill_at,
        keeps_copies=power is not None,
    )
    code = await _lived(life)
    death = Death(kill_at=kill_at, was_killed=code == -signal.SIGKILL)
    if code not in {0, -signal.SIGKILL}:
        death.wrong.append(f"the life ended with {code}")
    if life.steps.exists():
        death.steps = int(life.steps.read_text())
    poured = []
    if power is not None and death.was_killed:
        _lose_power(life, power)
        death.wrong += _told_too_early(life, where.published)
        poured = _copied_pours(life)
    known = _left_open(life)
    death.left_ml = max(known.values(), default=None)
    death.wrong += await _start_again(life, where.bar, guest)
    poured += witnessed(life.store, tap_id=tap.tap_id, price_per_litre=PRICE)
    death.wrong += await _compare(where.bar, guest, poured, known)
    death.wrong = [f"killed at step {kill_at} ({folder}): {one}" for one in death.wrong]
    return death


async def _lived(life: Life) -> int:
    """Let a forked process live it and return its exit code."""
    process = _context().Process(target=live, args=(life,))
    process.start()

    async def is_over() -> bool:
        return not process.is_alive()

    await until(is_over, within_s=LIFE_S)
    code = process.exitcode
    process.close()
    assert code is not None
    return code


@cache
def _context() -> ForkServerContext:
    """Return what forks from a process that has everything imported and nothing running."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pourline.testkit.resilience.crash"])
    return context


def _left_open(life: Life) -> dict[str, Decimal]:
    """Return the grant that no pour has ended in the store, with the volume that it knew."""
    if not life.store.exists():
        return {}
    store = Store(life.store)
    known = {
        left.grant.grant_id: left.flow.pulses * RULES.ml_per_pulse for left in store.open_grants()
    }
    store.close()
    return known


async def _start_again(life: Life, bar: RunningBar, guest: GuestSeat) -> list[str]:
    """Start the controller on the store, let it settle, and return what is then not as it must be.

    Whose grant never reached the store holds a lock that only the same card can end.
    """
    store = WitnessedStore(life.store)
    tap = Drinkers(life.config(), (life.card_uid,), store)
    running = asyncio.create_task(tap.controller.run())
    wrong: list[str] = []
    try:
        async with asyncio.timeout(SETTLED_WITHIN_S):
            await tap.controller.link.connected.wait()
            await _until_settled(tap, store)
            account = await account_of(bar, guest, topped_up=TOP_UP)
            if account.active_tap_id and witnessed(life.store, tap_id="", price_per_litre=0):
                wrong += truth.fastened([account])
            await tap.drink(life.card_uid, Decimal(0))
            await _until_settled(tap, store)
    finally:
        running.cancel()
        await asyncio.wait([running])
        tap.executor.shutdown()
        wrong += [f"left in the store: {one}" for one in (*store.pours(), *store.open_grants())]
        store.close()
    return wrong


async def _until_settled(tap: Drinkers, store: Store) -> None:
    async def is_settled() -> bool:
        return tap.is_settled and not store.pours()

    await until(is_settled, within_s=SETTLED_WITHIN_S)


async def _compare(
    bar: RunningBar, guest: GuestSeat, poured: Sequence[Poured], known: dict[str, Decimal]
) -> list[str]:
    """Return how the books differ from what the store knew."""
    different = {pour.client_tx_id: pour for pour in poured}
    books = await books_of(bar, guest.visit_id)
    account = await account_of(bar, guest, topped_up=TOP_UP)
    wrong = truth.lost(different.values(), books)
    wrong += truth.doubled(different.values(), books)
    wrong += truth.misbalanced(list(different.values()), [account])
    wrong += truth.fastened([account])
    grants = Counter(pour.grant_id for pour in different.values())
    wrong += [f"grant {grant} has {count} pours" for grant, count in grants.items() if count != 1]
    volumes = {pour.grant_id: pour.volume_ml for pour in different.values()}
    wrong += [
        f"grant {grant} was left at {volume} ml and has a pour of {volumes.get(grant)}"
        for grant, volume in known.items()
        if volumes.get(grant) != volume
    ]
    return wrong


def _told_too_early(life: Life, published: dict[str, float]) -> list[str]:
    """Return what was seen from outside before the disk had promised to remember it."""
    copies = [(float((one / "at_s").read_text()), _known(one)) for one in _copies(life)]
    seen = list(_opened(life))
    mine = {pour for _, known in copies for pour in known}
    seen += [(at_s, pour) for pour, at_s in published.items() if pour in mine]
    return [
        f"{what} was seen at {at_s:.3f} and stored by nobody before"
        for at_s, what in seen
        if not any(what in known for copied_s, known in copies if copied_s <= at_s)
    ]


def _opened(life: Life) -> list[tuple[float, str]]:
    lines = life.events.read_text().splitlines() if life.events.exists() else []
    return [(float(at_s), str(grant)) for at_s, grant in map(json.loads, lines)]


def _copies(life: Life) -> list[Path]:
    return sorted(life.copies.iterdir()) if life.copies.exists() else []


def _known(copy: Path) -> set[str]:
    """Return the grants and pours in a copy."""
    store = Store(copy / "tap.db")
    pours, grants = store.pours(), store.open_grants()
    store.close()
    ended = {pour.grant_id for pour in pours if pour.grant_id}
    return {pour.client_tx_id for pour in pours} | {one.grant.grant_id for one in grants} | ended


def _copied_pours(life: Life) -> list[Poured]:
    """Return every pour that was on the disk at any time."""
    found = []
    for copy in _copies(life):
        store = Store(copy / "tap.db")
        found += [
            Poured(
                client_tx_id=pour.client_tx_id,
                tap_id=life.tap_id,
                visit_id=pour.visit_id or "",
                volume_ml=pour.volume_ml,
                price_per_litre=PRICE,
                grant_id=pour.grant_id,
            )
            for pour in store.pours()
        ]
        store.close()
    return found


def _lose_power(life: Life, dice: random.Random) -> None:
    """Leave of the store what was promised; whatever came after it is torn."""
    files = {name: life.folder / name for name in ("tap.db", "tap.db-wal")}
    later = files["tap.db-wal"].read_bytes() if files["tap.db-wal"].exists() else b""
    for leftover in life.folder.glob("tap.*"):
        leftover.unlink()
    copies = _copies(life)
    if not copies:
        return
    promised = (copies[-1] / "tap.db-wal").read_bytes()
    shutil.copyfile(copies[-1] / "tap.db", files["tap.db"])
    files["tap.db-wal"].write_bytes(promised + _torn(later[len(promised) :], dice))


def _torn(tail: bytes, dice: random.Random) -> bytes:
    """Return what a disk makes of bytes that it has not promised: fewer, or other ones."""
    if not tail:
        return dice.randbytes(dice.choice((0, 100, 5_000)))
    kept = bytearray(tail[: dice.randint(0, len(tail))])
    for _ in range(dice.randint(1, 20) if kept else 0):
        kept[dice.randrange(len(kept))] = dice.randrange(256)
    return bytes(kept)
