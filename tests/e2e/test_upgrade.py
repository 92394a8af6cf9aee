"""A bar that an older version left behind goes on under this one.

`older/0001` is a backup that the first version made of a running demo, in the middle of its pours.
"""

from pathlib import Path

import pytest
from pourline.testkit.bar import Json, RunningBar, refusal, run_bar
from pourline.testkit.until import until

pytestmark = pytest.mark.long

LEFT_BEHIND = (
    "an older version left these databases behind: `pourline migrate`, or `pourline up`,"
    " brings them up to date"
)
OLDER = Path(__file__).parent / "older" / "0001"


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """The older bar's data directory, as this version restores it."""
    folder = tmp_path / "bar"
    code, text = await RunningBar(folder).run("restore", str(OLDER))
    assert code == 0, text
    return folder


async def test_an_older_bar_is_taken_over_whole_and_does_what_this_version_can(
    data_dir: Path,
) -> None:
    async with run_bar(data_dir) as bar:
        items = await bar.walk("/api/items")
        await the_evening_that_was_interrupted_goes_on(bar)
        await old_items_are_sold_in_packages(bar, items[0])
        await old_items_fall_low(bar, items[1])
        await the_shift_that_was_open_says_what_blocks_it_and_another_follows(bar)
        await bar.verified()


@pytest.mark.parametrize("words", [["verify"], ["dlq", "list"]])
async def test_what_looks_into_a_bar_that_is_not_brought_up_to_date_says_how_to(
    data_dir: Path, words: list[str]
) -> None:
    bar = RunningBar(data_dir)

    code, text = await bar.run(*words)

    assert code == 69
    (line,) = text.splitlines()
    assert line.startswith(f"pourline: {LEFT_BEHIND} (")
    assert (await bar.run("migrate"))[0] == 0
    assert (await bar.run("dlq", "list"))[0] == 0


async def the_evening_that_was_interrupted_goes_on(bar: RunningBar) -> None:
    taps = (await bar.get("/api/taps"))["items"]
    visits = (await bar.get("/api/visits/active"))["items"]
    assert len(taps) >= 4
    assert visits
    for visit in visits:
        if visit["active_tap_id"]:
            await bar.post(f"/api/visits/{visit['id']}/force-unlock", reason="it was restored")
        closed = await bar.post(f"/api/visits/{visit['id']}/close", reason="closing time")
        assert closed["status"] == "closed"
    seat, guest = await bar.seat_tap(), await bar.seat_guest()
    assert (await bar.get(f"/api/taps/{seat.tap_id}"))["keg_id"] == seat.keg_id
    assert (await bar.get(f"/api/visits/{guest.visit_id}"))["status"] == "active"


async def old_items_are_sold_in_packages(bar: RunningBar, item: Json) -> None:
    part = {"item_id": item["id"], "quantity": 50}
    package = await bar.post("/api/packages", name="Old and tonic", price=900, items=[part])
    stock = await stock_of(bar, item["id"])

    async def sellable() -> int:
        found = await bar.get(f"/api/packages/{package['id']}/availability")
        return int(found["max_sellable"])

    assert await until(sellable, lambda one: one == stock // 50) == stock // 50
    line = {"package_id": package["id"], "quantity": 10**6}
    refused = await bar.ask("POST", "/api/sales", json={"lines": [line], "transaction_id": "s1"})
    assert refusal(refused) == (409, "package_unavailable")


async def old_items_fall_low(bar: RunningBar, item: Json) -> None:
    stock = await stock_of(bar, item["id"])
    await bar.post(f"/api/inventory/{item['id']}/adjust", delta=1 - stock, reason="counted")

    async def alerts() -> list[Json]:
        listed: list[Json] = (await bar.get("/api/alerts", state="open"))["items"]
        return [one for one in listed if one["subject"]["id"] == item["id"]]

    [alert] = await until(alerts, lambda found: len(found) == 1)
    assert alert["kind"] == "low_stock"
    assert item["name"] in alert["message"] or item["name"] in alert["title"]


async def stock_of(bar: RunningBar, item_id: str) -> float:
    rows = (await bar.get("/api/inventory"))["items"]
    return next(float(one["current_stock"]) for one in rows if one["item_id"] == item_id)


async def the_shift_that_was_open_says_what_blocks_it_and_another_follows(bar: RunningBar) -> None:
    shift = await bar.get("/api/shifts/current")
    precheck = await bar.get(f"/api/shifts/{shift['id']}/precheck")
    assert {one["code"] for one in precheck["blockers"]} == {"active_visits"}
    again = await bar.ask("POST", "/api/shifts/open", json={"opening_float": 10_000})
    assert refusal(again) == (409, "shift_already_open")
