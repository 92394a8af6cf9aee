"""What a card, a pour and a guest's page cost as a bar grows: over pours, taps and venues.

`make bench-curves` measures them into docs/curves.json and draws them (`bench.plots`). Each point
is taken while pours run at a busy pace; how loaded the machine was besides stands beside them.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
from pourline.controller.simulator import Fleet
from pourline.local.bar import own_postgres
from pourline.local.paths import DataDir
from pourline.local.storage import reachable
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat, run_bar

from bench import plots
from bench.books import POURED_AND_BOOKED
from bench.figures import share

POURS: Final = (1_000, 10_000, 100_000, 1_000_000)
TAPS: Final = (10, 50, 100, 200)
VENUES: Final = (1, 2, 4)
SEATS: Final = 20
"""Taps of a bar whose taps are not what is varied."""
PACE_S: Final = 15
POURS_PER_S: Final = 50
VENUE_POURS_PER_S: Final = 10
LOOKS_PER_S: Final = 10
"""Cards shown, and pages asked for, beside the pours."""
GUEST_POURS: Final = 100
AT_ONCE: Final = 8
WARM_UP: Final = 500

PAST: Final = (
    """
    WITH guest AS MATERIALIZED (
        SELECT gen_random_uuid() AS id, gen_random_uuid() AS visit_id
        FROM generate_series(1, %(guests)s)
    ), visited AS (
        INSERT INTO visit (visit_id, guest_id, opened_at, closed_at)
        SELECT visit_id, id, now() - interval '30 days', now() - interval '29 days' FROM guest
    ), opened AS (
        INSERT INTO account (id, kind, guest_id, balance)
        SELECT 'guest:' || id, 'guest', id, -30 * %(each)s FROM guest
        UNION ALL SELECT %(sales)s, 'sales', NULL, 30 * %(each)s * %(guests)s
    ), past AS MATERIALIZED (
        SELECT gen_random_uuid() AS id, guest.visit_id, guest.id AS guest_id,
               now() - interval '29 days' - n * interval '1 minute' AS at
        FROM guest, generate_series(1, %(each)s) AS n
    ), """
    + POURED_AND_BOOKED
    + """
    INSERT INTO past_evening SELECT id, 'guest:' || guest_id FROM past
"""
)
ENTRIES: Final = """
    INSERT INTO entry (booking_id, account_id, amount, balance_after)
    SELECT id, account, -30, 0 FROM past_evening
    UNION ALL SELECT id, %(sales)s, 30, 0 FROM past_evening
"""


@dataclass(kw_only=True)
class Costs:
    """What was taken at one point, ms; `x` is what it was taken over."""

    x: int
    authorize: list[float] = field(default_factory=list)
    accept: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)

    def shown(self) -> plots.Point:
        """Return the point as it is stored."""
        taken = (("authorize", self.authorize), ("accept", self.accept), ("page", self.page))
        return {"x": self.x} | {
            f"{name}_p{part}_ms": round(share(values, part / 100), 2)
            for name, values in taken
            for part in (50, 99)
        }


Take = Callable[[int, Costs], Coroutine[object, object, None]]


@dataclass(kw_only=True)
class Stand:
    """A bar with guests at connected taps; the first one shows its card, the others pour."""

    bar: RunningBar
    seats: list[TapSeat]
    guests: list[GuestSeat]
    fleet: Fleet

    async def costs(self, x: int, *, per_second: int) -> Costs:
        """Take the costs while the taps pour at that pace."""
        found = Costs(x=x)
        async with asyncio.TaskGroup() as group:
            group.create_task(_paced(per_second, self._pour, found))
            group.create_task(_paced(LOOKS_PER_S, self._card, found, in_turn=True))
            group.create_task(_paced(LOOKS_PER_S, self._page, found))
        return found

    async def warm_up(self) -> None:
        """Pour some, so that nothing is done for the first time while it is measured."""
        pours = []
        for number in range(WARM_UP):
            seat, guest = self._of(number)
            pours.append((seat.tap_id, self.fleet.new_pour(seat.tap_id, _by(guest))))
        measured = await self.fleet.publish_pours(pours, window=WARM_UP, within_s=60)
        assert measured.unanswered == ()
        for number in range(LOOKS_PER_S):
            await self._card(number, Costs(x=0))
            await self._page(number, Costs(x=0))

    async def _pour(self, number: int, found: Costs) -> None:
        seat, guest = self._of(number)
        begun = time.perf_counter()
        answer = await self.fleet.pour(seat.tap_id, _by(guest))
        found.accept.append((time.perf_counter() - begun) * 1000)
        assert answer["status"] == "accepted"

    async def _card(self, number: int, found: Costs) -> None:
        del number
        begun = time.perf_counter()
        grant = await self.fleet.authorize(self.seats[0].tap_id, self.guests[0].card_uid)
        found.authorize.append((time.perf_counter() - begun) * 1000)
        assert grant["decision"] == "allow", grant
        await self.fleet.pour(self.seats[0].tap_id, {"grant_id": grant["grant_id"], "volume_ml": 0})

    async def _page(self, number: int, found: Costs) -> None:
        guest = self.guests[1 + number % (len(self.guests) - 1)]
        begun = time.perf_counter()
        await self.bar.get(f"/api/visits/{guest.visit_id}")
        found.page.append((time.perf_counter() - begun) * 1000)

    def _of(self, number: int) -> tuple[TapSeat, GuestSeat]:
        place = 1 + number % (len(self.seats) - 1)
        return self.seats[place], self.guests[place]


def _by(guest: GuestSeat) -> dict[str, str]:
    return {"visit_id": guest.visit_id}


async def _paced(per_second: int, what: Take, found: Costs, *, in_turn: bool = False) -> None:
    """Do it so many times a second, whether the one before is over or not, unless in turn."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(PACE_S * per_second):
            task = group.create_task(what(number, found))
            if in_turn:
                await task
            due_s = begun + (number + 1) / per_second
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))


@asynccontextmanager
async def stand(bar: RunningBar, taps: int, *, of: "Stand | None" = None) -> AsyncIterator[Stand]:
    """Connect so many taps of a bar, those of an earlier stand among them."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def seat() -> tuple[TapSeat, GuestSeat]:
        async with gate:
            tap = await bar.seat_tap(keg_ml=10**9, price_per_litre=100)
            return tap, await bar.seat_guest(amount=10**9)

    seats, guests = (of.seats, of.guests) if of else ([], [])
    fresh = await asyncio.gather(*(seat() for _ in range(taps - len(seats))))
    seats = [*seats, *(tap for tap, _ in fresh)]
    guests = [*guests, *(guest for _, guest in fresh)]
    async with Fleet(
        mqtt_url=bar.mqtt_url, taps=[(one.tap_id, one.secret) for one in seats]
    ) as fleet:
        for one in seats:
            online = {"online": True, "pending_sync": 0}
            fleet.publish(one.tap_id, "status", online, retain=True)
        found = Stand(bar=bar, seats=seats, guests=guests, fleet=fleet)
        await found.warm_up()
        yield found


async def over_pours(folder: Path) -> list[plots.Point]:
    """Return the costs with so many pours in the books."""
    points = []
    async with run_bar(folder) as bar, stand(bar, SEATS) as busy:
        stored = 0
        for count in POURS:
            await _fill(bar, count - stored)
            stored = count
            await bar.verified()
            await busy.warm_up()
            points.append((await busy.costs(count, per_second=POURS_PER_S)).shown())
        await bar.verified()
    return points


async def over_taps(folder: Path) -> list[plots.Point]:
    """Return the costs with so many taps connected."""
    points, before = [], None
    async with run_bar(folder) as bar:
        for count in TAPS:
            async with stand(bar, count, of=before) as busy:
                points.append((await busy.costs(count, per_second=POURS_PER_S)).shown())
                before = busy
        await bar.verified()
    return points


async def over_venues(folder: Path) -> list[plots.Point]:
    """Return the costs with so many bars on this machine."""
    points = []
    async with AsyncExitStack() as parts:
        venues: list[Stand] = []
        for count in VENUES:
            while len(venues) < count:
                bar = await parts.enter_async_context(
                    run_bar(folder.with_name(f"venue-{len(venues)}"))
                )
                venues.append(await parts.enter_async_context(stand(bar, SEATS // 2)))
            taken = await asyncio.gather(
                *(one.costs(count, per_second=VENUE_POURS_PER_S) for one in venues)
            )
            points.append(
                Costs(
                    x=count,
                    authorize=[ms for one in taken for ms in one.authorize],
                    accept=[ms for one in taken for ms in one.accept],
                    page=[ms for one in taken for ms in one.page],
                ).shown()
            )
        for one in venues:
            await one.bar.verified()
    return points


async def _fill(bar: RunningBar, count: int) -> None:
    """Put so many pours of past evenings into the books, and do what autovacuum would do later."""
    async with reachable(DataDir(bar.data_dir)) as surroundings:
        url = surroundings.owner_url("ledger")
    each = min(GUEST_POURS, count)
    past = {"guests": count // each, "each": each, "sales": f"sales:past-{count}"}
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        async with connection.transaction():
            await connection.execute(
                "CREATE TEMPORARY TABLE past_evening (id uuid, account text) ON COMMIT DROP"
            )
            await connection.execute(PAST, past)
            await connection.execute(ENTRIES, past)
        await connection.execute("VACUUM ANALYZE")
    async with reachable(DataDir(bar.data_dir)) as surroundings:
        secrets, facts = surroundings.secrets, surroundings.facts
    assert facts
    server = own_postgres(DataDir(bar.data_dir), secrets, port=facts.postgres_port or 0)
    async with await psycopg.AsyncConnection.connect(server.url(), autocommit=True) as connection:
        await connection.execute("CHECKPOINT")


def measure(name: str) -> plots.Curve:
    """Return one curve."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)  # PostgreSQL's own account must pass
        points = asyncio.run(CURVES[name](Path(made) / "bar"))
    return plots.Curve(
        at=datetime.now(UTC).strftime("%Y-%m-%d"),
        processors=os.cpu_count() or 1,
        load_before=round(before, 1),
        load_after=round(os.getloadavg()[0], 1),
        points=points,
    )


CURVES: Final = {"pours": over_pours, "taps": over_taps, "venues": over_venues}


def main() -> None:
    """Measure, store and draw; only the curves that are named, if any are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", metavar="CURVE", help=f"of {', '.join(CURVES)}")
    names = parser.parse_args().only or list(CURVES)
    if unknown := set(names) - CURVES.keys():
        parser.error(f"no curve {', '.join(sorted(unknown))}")
    curves = plots.read() if plots.STORED.exists() else {}
    curves |= {name: measure(name) for name in names}
    told = {name: asdict(curve) for name, curve in curves.items()}
    plots.STORED.write_text(json.dumps(told, indent=1) + "\n")
    plots.draw(curves, plots.FOLDER)


if __name__ == "__main__":
    main()
