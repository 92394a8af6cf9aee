"""The documented microcontroller example, as it stands in docs/, against a whole bar."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pourline.testkit.bar import GuestSeat, Json, RunningBar, TapSeat, bar_of_a_suite
from pourline.testkit.until import until

pytestmark = pytest.mark.long

EXAMPLE = Path(__file__).parents[4] / "docs" / "hardware" / "microcontroller_tap.py"
WITHIN_S = 30.0


class Microcontroller:
    """The example's process, worked through its standard input."""

    def __init__(self, bar: RunningBar, seat: TapSeat, folder: Path) -> None:
        self._bar = bar
        self.seat = seat
        self.store = folder / "tap.json"
        self._process: Process | None = None

    async def start(self) -> None:
        host, _, port = self._bar.mqtt_url.removeprefix("mqtt://").partition(":")
        arguments = (host, port, self.seat.tap_id, self.seat.secret, str(self.store))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLE), *arguments, stdin=PIPE
        )

    def type(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def cut_off(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.kill()
        await self._process.wait()
        self._process.stdin.close()

    async def tap(self) -> Json:
        return await self._bar.get(f"/api/taps/{self.seat.tap_id}")

    def kept(self) -> Json:
        kept: Json = json.loads(self.store.read_text()) if self.store.exists() else {}
        return kept

    async def pours(self, count: int) -> list[Json]:
        """Wait until the bar has so many pours of this tap; return them, oldest first."""
        found: list[Json] = []

        async def are_there() -> bool:
            found[:] = (await self._bar.get("/api/pours", tap_id=self.seat.tap_id))["items"]
            return len(found) >= count

        await until(are_there, within_s=WITHIN_S)
        return sorted(found, key=lambda pour: str(pour["short_id"]))

    async def until(self, condition: Callable[[Json], bool]) -> None:
        """Wait until the bar says so of this tap."""

        async def is_so() -> bool:
            return condition(await self.tap())

        await until(is_so, within_s=WITHIN_S)

    async def until_kept(self, condition: Callable[[Json], bool]) -> None:
        """Wait until the example has stored something."""

        async def is_so() -> bool:
            return condition(self.kept())

        await until(is_so, within_s=WITHIN_S)


@pytest.fixture(scope="module")
def bar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBar]:
    """One bar for both tests, whose books must agree at the end."""
    with bar_of_a_suite(tmp_path_factory.mktemp("bar")) as bar:
        yield bar


@pytest.mark.requirement("SY-2", "LK-4")
async def test_the_example_pours_is_charged_once_and_survives_its_power_cut(
    bar: RunningBar, tmp_path: Path
) -> None:
    tap = Microcontroller(bar, await bar.seat_tap(price_per_litre=900), tmp_path)
    guest: GuestSeat = await bar.seat_guest()
    await tap.start()
    await tap.until(lambda told: bool(told["online"]))

    tap.type(f"card {guest.card_uid}")
    await tap.until(lambda told: told["locked_by_visit"] == guest.visit_id)
    tap.type("pour 100")
    (first,) = await tap.pours(1)
    assert (first["status"], first["short_id"]) == ("accepted", "000001")
    assert 99 < float(first["volume_ml"]) <= 100
    await tap.until(lambda told: told["locked_by_visit"] is None)
    await tap.until_kept(lambda kept: kept["pours"] == [] and kept["grant"] is None)

    tap.type(f"card {guest.card_uid}")
    await tap.until(lambda told: told["locked_by_visit"] == guest.visit_id)
    tap.type("pour 1000")
    await tap.until_kept(lambda kept: bool((kept.get("grant") or {}).get("pulses")))
    await tap.cut_off()
    await tap.until(lambda told: not told["online"])
    await tap.start()
    _, second = await tap.pours(2)
    assert (second["status"], second["short_id"]) == ("accepted", "000002")
    assert 0 < float(second["volume_ml"]) < 1_000

    tap.type("leak 20")
    third = (await tap.pours(3))[2]
    assert third["visit_id"] is None
    await tap.cut_off()

    visit = await bar.get(f"/api/visits/{guest.visit_id}")
    assert visit["active_tap_id"] is None


async def test_the_example_shuts_and_says_so_when_it_is_stopped(
    bar: RunningBar, tmp_path: Path
) -> None:
    tap = Microcontroller(bar, await bar.seat_tap(), tmp_path)
    guest = await bar.seat_guest()
    await tap.start()
    await tap.until(lambda told: bool(told["online"]))
    tap.type(f"card {guest.card_uid}")
    await tap.until(lambda told: told["locked_by_visit"] == guest.visit_id)
    tap.type("pour 2000")
    await tap.until_kept(lambda kept: bool((kept.get("grant") or {}).get("pulses")))

    await bar.post(f"/api/taps/{tap.seat.tap_id}/stop", reason="spill")
    (pour,) = await tap.pours(1)
    assert 0 < float(pour["volume_ml"]) < 2_000
    assert (await tap.tap())["state"] == "stopped"
    alerts = (await bar.get("/api/alerts"))["items"]
    assert "stop_unconfirmed" not in {alert["kind"] for alert in alerts}
    await tap.cut_off()
