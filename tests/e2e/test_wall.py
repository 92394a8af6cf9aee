"""Stopping taps over real MQTT: one guest's, and the whole wall's within half a second."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar, refusal
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

TAPS = 20
ROUNDS = 10
CLOSED_WITHIN_S = 5.0
"""What the contract calls confirmed; half a second is what it shall be, and is printed."""
Json = dict[str, Any]


class Wall:
    """Taps that shut their valve as soon as they are told, and say so."""

    def __init__(self, bar: RunningBar, location: str) -> None:
        self.bar, self.location = bar, location
        self.secrets: dict[str, str] = {}
        self.closed_s: dict[str, float] = {}
        self.states: dict[str, str] = {}
        self.heard: list[tuple[str, str]] = []
        self.fleet: Fleet | None = None

    async def hang(self, taps: int) -> None:
        """Register taps with a keg each and connect their controllers."""
        beverage = await self.bar.post(
            "/api/beverages", name="Wall", kind="beer", price_per_litre=900
        )
        for number in range(taps):
            tap_id = f"{self.location}-{number}"
            body = {"id": tap_id, "name": tap_id, "location": self.location}
            tap = await self.bar.post("/api/taps", **body, beverage_id=beverage["id"])
            keg = await self.bar.post("/api/kegs", beverage_id=beverage["id"], volume_ml=50_000)
            await self.bar.post(f"/api/taps/{tap_id}/keg", keg_id=keg["id"])
            self.secrets[tap_id] = tap["secret"]
        self.fleet = Fleet(
            mqtt_url=self.bar.mqtt_url,
            taps=list(self.secrets.items()),
            location=self.location,
            heard=self._told,
            with_orders=True,
        )
        await self.fleet.start()

    def says(self, tap_id: str, valve: str) -> None:
        assert self.fleet is not None
        status = {"online": True, "pending_sync": 0, "valve": valve}
        self.fleet.publish(tap_id, "status", status, retain=True)

    def _told(self, tap_id: str, name: str, payload: bytes) -> None:
        body: Json = json.loads(payload or b"{}")
        if name == "state":
            self.states[tap_id] = body["state"]
        self.heard.append((tap_id, body.get("command") or body.get("state") or name))
        is_stop = body.get("command") == "stop" or body.get("state") == "stopped"
        if is_stop and tap_id not in self.closed_s:
            self.closed_s[tap_id] = time.perf_counter()
            self.says(tap_id, "closed")

    async def closed(self, taps: set[str]) -> bool:
        return taps <= set(self.closed_s)

    async def told(self) -> Counter[str]:
        """Return how many taps were told each state last."""
        return Counter(self.states.values())

    async def valves(self) -> dict[str, str]:
        taps = (await self.bar.get("/api/taps", limit="1000"))["items"]
        return {one["id"]: one["valve"] for one in taps if one["id"] in self.secrets}

    async def in_state(self, state: str) -> bool:
        taps = (await self.bar.get("/api/taps", limit="1000"))["items"]
        return all(one["state"] == state for one in taps if one["id"] in self.secrets)


@pytest.fixture
async def walls(bar: RunningBar) -> AsyncIterator[list[Wall]]:
    hung: list[Wall] = []
    yield hung
    for wall in hung:
        if wall.fleet:
            await wall.fleet.stop()


async def a_wall(bar: RunningBar, walls: list[Wall], location: str, taps: int) -> Wall:
    wall = Wall(bar, location)
    walls.append(wall)
    await wall.hang(taps)
    for tap_id in wall.secrets:
        wall.says(tap_id, "open")
    await until(wall.valves, lambda valves: set(valves.values()) == {"open"})
    return wall


@pytest.mark.long
async def test_the_whole_wall_is_shut_and_resumes_as_it_was(
    bar: RunningBar, walls: list[Wall]
) -> None:
    wall = await a_wall(bar, walls, "cellar", TAPS)
    cleaned, leaking, *_ = wall.secrets
    await bar.post(f"/api/taps/{cleaned}/cleaning", reason="monday")
    await bar.post(f"/api/taps/{leaking}/stop", reason="leak")
    await until(lambda: wall.closed({leaking}))
    wall.closed_s.clear()
    wall.says(leaking, "open")

    answer = await bar.post("/api/wall/stop", reason="fire", location="cellar")
    await until(lambda: wall.closed(set(wall.secrets)), within_s=CLOSED_WITHIN_S)
    await until(wall.valves, lambda valves: set(valves.values()) == {"closed"})

    assert sorted(answer["taps"]) == sorted(wall.secrets)
    assert await wall.in_state("stopped")
    resumed = await bar.post("/api/wall/resume", reason="false alarm", location="cellar")
    assert sorted(resumed["taps"]) == sorted(wall.secrets)
    await until(wall.told, lambda told: told == Counter(active=TAPS - 2, cleaning=1, stopped=1))
    states = {tap_id: wall.states[tap_id] for tap_id in (cleaned, leaking)}
    assert states == {cleaned: "cleaning", leaking: "stopped"}
    assert (await bar.post("/api/wall/resume", reason="again", location="cellar"))["taps"] == []


@pytest.mark.long
async def test_how_long_a_wall_takes_to_shut_is_told(bar: RunningBar, walls: list[Wall]) -> None:
    wall = await a_wall(bar, walls, "bench", TAPS)
    shut_s: list[float] = []
    known_s: list[float] = []
    for _ in range(ROUNDS):
        wall.closed_s.clear()
        began_s = time.perf_counter()
        await bar.post("/api/wall/stop", reason="drill", location="bench")
        await until(lambda: wall.closed(set(wall.secrets)), within_s=CLOSED_WITHIN_S)
        shut_s += [at - began_s for at in wall.closed_s.values()]
        await until(wall.valves, lambda valves: set(valves.values()) == {"closed"})
        known_s.append(time.perf_counter() - began_s)
        await bar.post("/api/wall/resume", reason="drill", location="bench")
        for tap_id in wall.secrets:
            wall.says(tap_id, "open")
        await until(wall.valves, lambda valves: set(valves.values()) == {"open"})

    shut_s.sort()
    figures = {"p50": shut_s[len(shut_s) // 2], "p99": shut_s[int(len(shut_s) * 0.99)]}
    figures |= {"max": shut_s[-1], "all known": max(known_s)}
    shown = {name: f"{one * 1000:.0f} ms" for name, one in figures.items()}
    print(f"wall stop, {TAPS} taps, {ROUNDS} times:", shown)  # noqa: T201 the figure is wanted
    assert shut_s[-1] < CLOSED_WITHIN_S


async def test_a_wall_that_is_nowhere_is_not_found_and_a_reason_is_needed(bar: RunningBar) -> None:
    nowhere = await bar.ask(
        "POST", "/api/wall/stop", json={"reason": "fire", "location": "nowhere"}
    )
    mute = await bar.ask("POST", "/api/wall/stop", json={"location": "nowhere"})

    assert refusal(nowhere) == (404, "not_found")
    assert refusal(mute) == (422, "malformed")


@pytest.mark.requirement("LK-5", "LK-6")
async def test_stopping_a_guest_shuts_the_open_tap_and_keeps_the_lock_until_the_pour(
    bar: RunningBar, walls: list[Wall]
) -> None:
    wall = await a_wall(bar, walls, "garden", 2)
    assert wall.fleet is not None
    tap_id, other = wall.secrets
    guest = await bar.seat_guest()
    path = f"/api/visits/{guest.visit_id}/stop"
    idle = await bar.ask("POST", path, json={"reason": "enough"})
    grant = await wall.fleet.authorize(tap_id, guest.card_uid)

    stopped = await bar.post(path, reason="enough")
    await until(lambda: wall.closed({tap_id}))
    locks = await bar.walk("/api/locks")
    [lock] = [one for one in locks if one["visit_id"] == guest.visit_id]

    assert refusal(idle) == (409, "visit_not_locked")
    assert stopped["active_tap_id"] == tap_id
    assert (lock["tap_id"], lock["grant_id"]) == (tap_id, grant["grant_id"])
    assert lock["guest_id"] == guest.guest_id
    assert lock["lock_set_at"] == stopped["lock_set_at"]
    assert other not in wall.closed_s
    poured = await wall.fleet.pour(tap_id, {"grant_id": grant["grant_id"], "volume_ml": 100})
    after = await bar.get(f"/api/visits/{guest.visit_id}")
    assert (poured["status"], after["active_tap_id"]) == ("accepted", None)
    assert (await bar.get(f"/api/taps/{tap_id}"))["state"] == "stopped"
    locks = await bar.walk("/api/locks")
    assert guest.visit_id not in {one["visit_id"] for one in locks}


async def test_nobody_there_is_not_stopped(bar: RunningBar) -> None:
    path = "/api/visits/0199c0de-0000-7000-8000-000000000000/stop"

    assert refusal(await bar.ask("POST", path, json={"reason": "x"})) == (404, "not_found")
