import asyncio
import json

import pytest
from pourline.controller import demo
from pourline.controller.__main__ import main
from pourline.controller.settings import BarAddress
from pourline.controller.simulator.bar import BarClient
from pourline.controller.simulator.evening import Pace
from pourline.controller.simulator.simulation import Simulation, simulate

from services.controller.tests.conftest import until
from services.controller.tests.integration.conftest import FakeBar

QUICK = Simulation(taps=4, guests=6, pace=Pace(pours=20, per_second=100), speed=50)


@pytest.mark.long
async def test_a_simulated_evening_ends_with_every_pour_answered(
    whole_bar: FakeBar, address: BarAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_bar.failures = 2
    assert await simulate(QUICK, address) == 0
    made = whole_bar.paths()
    assert (made.count("/api/taps"), made.count("/api/guests")) == (4, 6)
    assert whole_bar.tokens == {"Bearer token"}
    assert len(whole_bar.poured) == 20
    line = capsys.readouterr().out
    assert line.startswith("pours 20  answered 20 (accepted=20)  denied 0")
    assert "amount 2000  unanswered 0" in line


async def test_a_guest_without_money_is_topped_up_and_drinks(
    whole_bar: FakeBar, address: BarAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    simulation = Simulation(taps=1, guests=1, pace=Pace(pours=3, per_second=100), speed=50)
    running = asyncio.create_task(simulate(simulation, address))
    await until(lambda: "/api/visits" in whole_bar.paths())
    card = next(str(body["card_uid"]) for path, body in whole_bar.posted if path == "/api/visits")
    whole_bar.poor.add(card)
    assert await running == 0
    assert "denied 1 (insufficient_balance=1)" in capsys.readouterr().out


async def test_a_pour_that_is_never_answered_fails_the_simulation(
    whole_bar: FakeBar, address: BarAddress
) -> None:
    whole_bar.has_answers = False
    pace = Pace(pours=1, per_second=100)
    simulation = Simulation(taps=1, guests=1, pace=pace, speed=50, answered_within_s=0.2)
    assert await simulate(simulation, address) == 1


async def test_an_empty_keg_is_changed(whole_bar: FakeBar, address: BarAddress) -> None:
    whole_bar.keg_ml = 0
    running = asyncio.create_task(
        simulate(Simulation(taps=1, guests=1, pace=Pace(pours=1, per_second=50)), address)
    )
    await until(lambda: sum(path.endswith("/keg") for path in whole_bar.paths()) == 2)
    whole_bar.keg_ml = 30_000
    assert await running == 0


async def test_the_demo_seeds_its_bar_once_and_finds_it_again(
    whole_bar: FakeBar, address: BarAddress
) -> None:
    book = address.data_dir / "demo.json"
    async with BarClient(http_url=address.http_url, token="t") as bar:
        first = await demo.seed(bar, demo.Book(book))
        made = whole_bar.paths()
        again = await demo.seed(bar, demo.Book(book))
        lost = json.loads(book.read_text())
        book.write_text(json.dumps({key: lost[key] for key in ("run", "owner-password")}))
        rebuilt = await demo.seed(bar, demo.Book(book))
    assert first == again == rebuilt
    assert whole_bar.paths() == made
    assert made.count("/api/beverages") == 3
    assert made.count("/api/kegs") == 6
    assert made.count("/hardware/spout/calibrate") == 2
    assert (len(first.taps), len(first.guests)) == (4, 10)
    assert book.stat().st_mode & 0o077 == 0


async def test_the_demo_drinks_and_pours_shots_until_it_is_told_to_stop(
    whole_bar: FakeBar, address: BarAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = demo.Tempo(pace=Pace(per_second=20), shot_every_s=(0.1, 0.2), speed=20)
    running = asyncio.create_task(demo.run_demo(address, quick))
    await until(lambda: bool(whole_bar.spout_events and whole_bar.poured), within_s=12)
    running.cancel()
    await asyncio.wait([running])
    printed = capsys.readouterr().out
    assert "owner password: " in printed
    assert address.http_url in printed


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run", "--tap", "a b", "--secret", "x", "--mqtt", "mqtt://h", "--store", "s"],
        ["run", "--tap", "a", "--secret", "x", "--mqtt", "http://h", "--store", "s"],
        ["simulate", "--taps", "0"],
    ],
)
def test_wrong_arguments_are_refused_with_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
