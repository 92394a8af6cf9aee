"""Packages and sales from outside: what can be sold, what a sale takes, what a race leaves."""

import asyncio
from typing import Any

import httpx
import pytest
from pourline.testkit.bar import Json, RunningBar, refusal
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

NOBODY = "0199c0de-0000-7000-8000-000000000000"


async def an_item(bar: RunningBar, name: str, received: float = 0, **facts: Any) -> str:  # noqa: ANN401 an item's field may be anything
    item = await bar.post("/api/items", **({"name": name, "unit": "each"} | facts))
    if received:
        await bar.post("/api/stock/receipts", item_id=item["id"], quantity=received)
    return str(item["id"])


async def a_package(bar: RunningBar, **parts: float) -> str:
    items = [{"item_id": item_id, "quantity": quantity} for item_id, quantity in parts.items()]
    made = await bar.post("/api/packages", name="Mojito", price=900, items=items)
    return str(made["id"])


async def can_sell(bar: RunningBar, package_id: str) -> Json:
    return await bar.get(f"/api/packages/{package_id}/availability")


async def can_sell_so_many(bar: RunningBar, package_id: str, count: int) -> Json:
    async def settled() -> Json:
        found = await can_sell(bar, package_id)
        return found if found["max_sellable"] == count else {}

    return await until(settled)


async def stock(bar: RunningBar, item_id: str) -> float:
    page = await bar.get("/api/inventory", limit="1000")
    [row] = [row for row in page["items"] if row["item_id"] == item_id]
    return float(row["current_stock"])


async def sell(bar: RunningBar, transaction_id: str, *lines: Json) -> httpx.Response:
    return await bar.ask(
        "POST", "/api/sales", json={"transaction_id": transaction_id, "lines": list(lines)}
    )


@pytest.mark.requirement("PO-3", "PO-4")
async def test_a_package_is_sold_as_long_as_all_its_parts_are_there(bar: RunningBar) -> None:
    rum, lime = await an_item(bar, "Rum", 5), await an_item(bar, "Lime", 3)
    mojito = await a_package(bar, **{rum: 1, lime: 1.5})
    found = await can_sell_so_many(bar, mojito, 2)
    assert found["bottleneck"] == {
        "item_id": lime,
        "name": "Lime",
        "available": 3,
        "required": 1.5,
    }

    sold = await sell(bar, "till-1", {"package_id": mojito, "quantity": 2})
    again = await sell(bar, "till-1", {"package_id": mojito, "quantity": 2})

    assert (sold.status_code, again.status_code) == (201, 200)
    assert sold.json()["amount"] == 1800
    assert again.json()["id"] == sold.json()["id"]
    assert (await stock(bar, rum), await stock(bar, lime)) == (3, 0)
    assert (await can_sell(bar, mojito))["max_sellable"] == 0
    refused = await sell(bar, "till-2", {"package_id": mojito, "quantity": 1})
    assert refusal(refused) == (409, "package_unavailable")
    assert refused.json()["item_id"] == lime
    assert (await stock(bar, rum), await stock(bar, lime)) == (3, 0)
    ledger = await bar.get("/api/inventory/ledger", item_id=rum)
    assert [(row["source"], row["delta"], row["transaction_id"]) for row in ledger["items"]] == [
        ("purchase", -2, "till-1"),
        ("receipt", 5, ledger["items"][1]["transaction_id"]),
    ]


@pytest.mark.requirement("PO-4", "LE-4")
async def test_a_single_item_is_sold_below_zero(bar: RunningBar) -> None:
    crisps = await an_item(bar, "Crisps", 1)

    sold = await sell(bar, "till-3", {"item_id": crisps, "quantity": 3})

    assert sold.status_code == 201
    assert await stock(bar, crisps) == -2


@pytest.mark.requirement("PO-4")
async def test_fifty_sales_race_for_the_last_portion_and_one_gets_it(bar: RunningBar) -> None:
    rum, lime = await an_item(bar, "Rum", 1), await an_item(bar, "Lime", 100)
    mojito = await a_package(bar, **{rum: 1, lime: 2})

    answers = await asyncio.gather(
        *(sell(bar, f"race-{n}", {"package_id": mojito, "quantity": 1}) for n in range(50))
    )

    codes = [answer.status_code for answer in answers]
    assert (codes.count(201), codes.count(409)) == (1, 49)
    assert (await stock(bar, rum), await stock(bar, lime)) == (0, 98)


@pytest.mark.requirement("PO-3")
async def test_stock_that_comes_can_be_sold(bar: RunningBar) -> None:
    rum = await an_item(bar, "Rum")
    neat = await a_package(bar, **{rum: 2})
    assert (await can_sell(bar, neat))["max_sellable"] == 0
    await bar.post("/api/stock/receipts", item_id=rum, quantity=9)

    await can_sell_so_many(bar, neat, 4)

    every = await bar.get("/api/packages/availability", limit="1000")
    [found] = [one for one in every["items"] if one["package_id"] == neat]
    assert found["max_sellable"] == 4
    impact = await bar.get(f"/api/inventory/package-impact/{rum}")
    assert [one["package_id"] for one in impact["items"]] == [neat]
    assert impact["items"][0]["is_bottleneck"] is True


@pytest.mark.requirement("LE-5")
async def test_what_is_not_tracked_is_sold_and_not_moved(bar: RunningBar) -> None:
    ice = await an_item(bar, "Ice", tracking_enabled=False)
    cup = await a_package(bar, **{ice: 1})

    found = await can_sell(bar, cup)
    assert (found["max_sellable"], found["bottleneck"]) == (None, None)
    assert (await sell(bar, "till-4", {"package_id": cup, "quantity": 7})).status_code == 201
    assert await stock(bar, ice) == 0


async def test_bad_packages_and_sales_are_refused_in_the_order_of_the_contract(
    bar: RunningBar,
) -> None:
    rum = await an_item(bar, "Rum", 5)
    part = {"item_id": rum, "quantity": 1}
    packages: list[tuple[Json, tuple[int, str]]] = [
        ({"name": "x", "price": 1, "items": []}, (422, "malformed")),
        ({"name": "x", "price": 1, "items": [part, part]}, (422, "malformed")),
        ({"name": "x", "price": -1, "items": [part]}, (422, "malformed")),
        ({"name": "x", "price": 1, "items": [part | {"quantity": 0}]}, (422, "malformed")),
        ({"name": "x", "price": 1, "items": "rum"}, (422, "malformed")),
        ({"name": "x", "price": 1, "items": [part | {"item_id": NOBODY}]}, (404, "not_found")),
        ({"name": "", "price": 1, "items": [part | {"item_id": NOBODY}]}, (404, "not_found")),
    ]
    for body, wanted in packages:
        assert refusal(await bar.ask("POST", "/api/packages", json=body)) == wanted, body
    sales: list[tuple[Json, tuple[int, str]]] = [
        ({"lines": [part]}, (422, "malformed")),
        ({"transaction_id": "t", "lines": []}, (422, "malformed")),
        ({"transaction_id": "t", "lines": [{"quantity": 1}]}, (422, "malformed")),
        ({"transaction_id": "t", "lines": [part | {"package_id": rum}]}, (404, "not_found")),
        ({"transaction_id": "t", "lines": [part | {"quantity": -1}]}, (422, "malformed")),
        ({"transaction_id": "t", "lines": [part | {"item_id": NOBODY}]}, (404, "not_found")),
        (
            {"transaction_id": "t", "lines": [{"package_id": NOBODY, "quantity": 1}]},
            (404, "not_found"),
        ),
        (
            {"transaction_id": "t", "lines": [{"package_id": "no id", "quantity": 0.5}]},
            (404, "not_found"),
        ),
    ]
    for body, wanted in sales:
        assert refusal(await bar.ask("POST", "/api/sales", json=body)) == wanted, body
    assert await stock(bar, rum) == 5


@pytest.mark.requirement("AL-3", "PO-3")
async def test_a_check_right_after_a_receipt_knows_the_stock(bar: RunningBar) -> None:
    rum = await an_item(bar, "Rum")
    neat = await a_package(bar, **{rum: 1})
    await bar.post("/api/stock/receipts", item_id=rum, quantity=10)

    healthy = await bar.post("/api/inventory/notifications/check", package_id=neat)
    await sell(bar, "check-1", {"package_id": neat, "quantity": 10})
    gone = await bar.post("/api/inventory/notifications/check", package_id=neat)

    assert healthy["data"]["result"]["triggered"] is False
    assert gone["data"]["result"]["triggered"] is True
