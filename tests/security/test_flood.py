"""Ten thousand bad signatures while guests pour: everybody's pour is accepted."""

import asyncio
import json
import time
from statistics import quantiles

import httpx
import pytest
from pourline.kit.ids import new_id
from pourline.testkit.attacks import Device, at_tap, connected, pours
from pourline.testkit.bar import GuestSeat, RunningBar, TapSeat

pytestmark = [pytest.mark.security, pytest.mark.xdist_group("attacked")]

ATTACKS = 10_000
AT_ONCE = 16
QUIET_POURS = 150


async def timed_pours(
    tap: Device, seat: TapSeat, guest: GuestSeat, *, until: asyncio.Event | None = None
) -> tuple[list[float], list[str]]:
    """Pour one after the other; return how long each answer took in ms, and the answers."""
    took: list[float] = []
    statuses: list[str] = []
    while len(took) < QUIET_POURS if until is None else not until.is_set():
        began = time.perf_counter()
        answer = await pours(tap, seat, guest.visit_id, volume_ml=1)
        took.append((time.perf_counter() - began) * 1000)
        statuses.append(answer["status"])
    return took, statuses


async def over_http(bar: RunningBar, count: int) -> set[int]:
    """Send webhooks with signatures that nobody made, in the name of ever new devices."""
    body = {"pulses": 1, "eventId": "e", "occurredAt": "2026-05-04T12:00:00Z"}
    said: set[int] = set()
    waiting = iter(range(count))
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=60) as web:

        async def one() -> None:
            for _ in waiting:
                forged = json.dumps(body | {"deviceId": str(new_id())})
                headers = {"X-Spout-Signature": "0" * 64}
                answer = await web.post("/hardware/spout/ingest", content=forged, headers=headers)
                said.add(answer.status_code)

        await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return said


async def over_mqtt(bar: RunningBar, count: int) -> None:
    """Send events with wrong signatures as a spout that is let in."""
    device = await bar.post("/hardware/spout/devices", name="S", vendor="SANDBOX")
    topic = f"bar/main/spout/{device['id']}/pour"
    async with connected(bar, f"spout-{device['id']}", device["secret"]) as spout:
        for number in range(count):
            forged = {"event_id": f"e{number}", "pulses": 1, "signature": "0" * 64}
            await spout.client.publish(topic, json.dumps(forged), qos=1)


def p99(took: list[float]) -> float:
    return quantiles(took, n=100)[98]


async def test_ten_thousand_bad_signatures_keep_nobody_from_their_beer(
    bar: RunningBar, capsys: pytest.CaptureFixture[str]
) -> None:
    seat, guest = await bar.seat_tap(keg_ml=500_000), await bar.seat_guest(amount=100_000)
    async with at_tap(bar, seat) as tap:
        quiet, before = await timed_pours(tap, seat, guest)
        over = asyncio.Event()
        pouring = asyncio.create_task(timed_pours(tap, seat, guest, until=over))
        began = time.perf_counter()
        said = await over_http(bar, ATTACKS)
        http_s = time.perf_counter() - began
        await over_mqtt(bar, ATTACKS)
        mqtt_s = time.perf_counter() - began - http_s
        over.set()
        loud, statuses = await pouring

    with capsys.disabled():
        print(  # noqa: T201 a figure for people
            f"\npour to answer, p99: quiet {p99(quiet):.0f} ms, under attack {p99(loud):.0f} ms "
            f"({len(loud)} pours; 10,000 over HTTP in {http_s:.0f} s, over MQTT in {mqtt_s:.0f} s)"
        )
    assert set(before) == set(statuses) == {"accepted"}
    assert said <= {401, 404, 429, 503}
    assert "invariants hold" in await bar.verified()
