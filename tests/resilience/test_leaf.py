"""A centre has every event of a venue whatever the line between them does, and no say there."""

import asyncio
import random
import time
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import GuestSeat, TapSeat
from pourline.testkit.resilience.leaf import COPY, Venue, open_venue
from pourline.testkit.until import until

pytestmark = pytest.mark.long_resilience

PROJECT = Path(__file__).parents[2]
POURS = 40
REFUSED_WITHIN_S = 1.0


async def test_a_venue_goes_on_without_its_line_and_the_centre_catches_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_venue(tmp_path, project=PROJECT) as venue:
        seat = await venue.bar.seat_tap(keg_ml=10**6)
        guest = await venue.bar.seat_guest(amount=10**6)
        async with Fleet(mqtt_url=venue.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
            with_line_ms = await poured(fleet, seat, guest)
            behind_s = await centre_has_all(venue)

            await venue.line.refuse()
            venue.line.cut(1.0, random.Random(0))  # noqa: S311 - all of it: no choice is made
            without_ms = await poured(fleet, seat, guest)
            assert await venue.copied() < await venue.told()
            await venue.line.listen()
            caught_up_s = await centre_has_all(venue)

        copy = await ids_of(venue.centre, COPY)
        assert copy == await ids_of(venue.broker, "EVENTS")
        await nobody_orders_from_afar(venue)
        await venue.bar.verified()
    with capsys.disabled():
        print(  # noqa: T201 what was measured is half of what this test is for
            f"\npours accepted in {with_line_ms:.0f} ms with the line, {without_ms:.0f} ms without"
            f" (most of {POURS}); the centre had all {behind_s:.1f} s after the last, and"
            f" {caught_up_s:.1f} s after the line was back"
        )


async def poured(fleet: Fleet, seat: TapSeat, guest: GuestSeat) -> float:
    """Let a guest pour some; return the longest that an answer took, milliseconds."""
    longest_ms = 0.0
    for _ in range(POURS):
        begun_s = time.perf_counter()
        answer = await fleet.pour(seat.tap_id, {"visit_id": guest.visit_id, "volume_ml": 10})
        assert answer["status"] == "accepted"
        longest_ms = max(longest_ms, (time.perf_counter() - begun_s) * 1000)
    return longest_ms


async def centre_has_all(venue: Venue) -> float:
    """Wait until the centre's copy is complete; return how long that took, seconds."""
    begun_s = time.perf_counter()

    async def counts() -> tuple[int, int]:
        return await venue.copied(), await venue.told()

    await until(counts, lambda found: found[0] == found[1], within_s=60)
    return time.perf_counter() - begun_s


async def ids_of(client: Client, stream: str) -> list[str]:
    """Return the ids of a stream's messages in order."""
    jetstream = client.jetstream()
    last = (await jetstream.stream_info(stream)).state.last_seq
    stored = [await jetstream.get_msg(stream, number) for number in range(1, last + 1)]
    return [str((one.headers or {})["Nats-Msg-Id"]) for one in stored]


async def nobody_orders_from_afar(venue: Venue) -> None:
    """Neither an order, a question, a forged event nor a deletion reaches the venue."""
    before = await venue.told()
    for subject in (
        "cmd.ledger.account.top_up",
        "qry.auth-lock.tap.list",
        "$JS.venue.API.STREAM.DELETE.EVENTS",
        "$JS.venue.API.STREAM.PURGE.EVENTS",
        "$JS.venue.API.CONSUMER.DELETE.EVENTS.ledger--events",
    ):
        with pytest.raises((nats.errors.NoRespondersError, TimeoutError)):
            await venue.centre.request(subject, b"{}", timeout=REFUSED_WITHIN_S)
    await venue.centre.publish("evt.pour.accepted", b"forged")
    await venue.centre.flush()
    await asyncio.sleep(REFUSED_WITHIN_S)
    assert await venue.told() == before
    for service in ("ledger", "shift"):
        consumer = f"{service}--events"
        await venue.broker.jetstream().consumer_info("EVENTS", consumer)
