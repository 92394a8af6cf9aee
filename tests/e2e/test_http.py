"""The HTTP edge, walked from outside: the order of checks, bad input, paging, repeats, money."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from pourline.local import credentials
from pourline.local.paths import DataDir
from pourline.testkit.bar import RunningBar, refusal
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

NOBODY = "0199c0de-0000-7000-8000-000000000000"
GARBAGE: dict[str, bytes] = {
    "cut short": b'{"amount',
    "a list": b"[]",
    "a text": b'"text"',
    "null": b"null",
    "not UTF-8": b'{"name":"\xff\xfe"}',
    "not a number": b'{"amount":NaN,"volume_ml":NaN}',
    "unpaired surrogate": b'{"name":"\\ud800"}',
    "nested deeply": b'{"name":' + b"[" * 900 + b"]" * 900 + b"}",
    "nested deeply beside a long number": b'{"n":1.00000000000000000001,"name":'
    + b"[" * 1000
    + b"]" * 1000
    + b"}",
}


def token_of(bar: RunningBar, level: object, *, lasts_s: int = 600) -> str:
    claims = {
        "iss": "pourline",
        "sub": f"level {level}",
        "level": level,
        "exp": datetime.now(UTC) + timedelta(seconds=lasts_s),
    }
    key = credentials.load_or_make(DataDir(bar.data_dir)).token_key
    return jwt.encode(claims, key, algorithm="HS256")


@pytest.fixture
async def web(bar: RunningBar) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as client:
        yield client


@pytest.fixture
async def document(bar: RunningBar) -> dict[str, Any]:
    return await bar.get("/openapi.json")


def bearer(token: str | bytes) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + (token if isinstance(token, bytes) else token.encode())}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def guarded(document: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield method, an address with unknown ids, and level of each end point that has one."""
    for method, path, operation in operations(document):
        if "security" in operation:
            level = int(operation["description"].removeprefix("Level ").rstrip("."))
            yield method, re.sub(r"{\w+}", NOBODY, path), level


async def test_who_asks_is_checked_first_on_every_end_point(
    bar: RunningBar, web: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    bad: list[str | bytes] = [
        b"garbage",
        b"\xe9\xff",
        token_of(bar, 5, lasts_s=-5),
        token_of(bar, "5"),
        token_of(bar, 5)[:-3] + "AAA",
        jwt.encode({"sub": "x", "level": 5, "exp": 2**40, "iss": "pourline"}, "", "none"),
    ]
    levels = {level: token_of(bar, level) for level in range(1, 6)}
    for method, address, level in guarded(document):
        asked = [await web.request(method, address, content=b"{bad")]
        asked += [
            await web.request(method, address, content=b"{bad", headers=bearer(one)) for one in bad
        ]
        assert {refusal(one) for one in asked} == {(401, "unauthorized")}, address
        for low in range(1, level):
            headers = bearer(levels[low])
            response = await web.request(method, address, content=b"{bad", headers=headers)
            assert refusal(response) == (403, "forbidden"), address
        async with web.stream(method, address, headers=bearer(levels[level])) as opened:
            assert opened.status_code not in (401, 403), address


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_refused_after_what_is_unknown_and_never_breaks_anything(
    bar: RunningBar, web: httpx.AsyncClient, document: dict[str, Any], name: str
) -> None:
    headers = bearer(token_of(bar, 5))
    for method, address, _ in guarded(document):
        if method == "GET":
            continue
        response = await web.request(method, address, content=GARBAGE[name], headers=headers)
        wanted = (404, "not_found") if NOBODY in address else (422, "malformed")
        assert refusal(response) == wanted, address


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/visits", {"guest_id": NOBODY, "limit_profile": 5}),
        ("/api/kegs", {"beverage_id": NOBODY, "volume_ml": -1}),
        ("/api/kegs", {"beverage_id": "no id at all", "volume_ml": 1}),
        ("/api/taps", {"id": "x y", "name": "", "beverage_id": NOBODY}),
        ("/api/stock/receipts", {"item_id": NOBODY, "quantity": "many"}),
        ("/hardware/spout/calibrate", {"deviceId": NOBODY, "mlPerPulse": "much"}),
    ],
)
async def test_an_unknown_thing_in_a_body_is_told_before_what_is_malformed(
    bar: RunningBar, path: str, body: dict[str, object]
) -> None:
    assert refusal(await bar.ask("POST", path, json=body)) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/api/visits", "/api/kegs", "/api/stock/receipts", "/hardware/spout/calibrate"]
)
async def test_a_body_that_names_nothing_is_malformed(bar: RunningBar, path: str) -> None:
    for body in ({}, {"guest_id": 5, "beverage_id": 5, "item_id": 5, "deviceId": 5}):
        assert refusal(await bar.ask("POST", path, json=body)) == (422, "malformed")


async def test_a_body_too_large_is_refused_before_it_is_read(bar: RunningBar) -> None:
    response = await bar.ask("POST", "/api/guests", content=b"x" * (64 * 1024 + 1))

    assert refusal(response) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api"),
        ("GET", "/api/"),
        ("GET", "/api/nothing"),
        ("DELETE", "/api/guests"),
        ("OPTIONS", "/api/guests"),
        ("TRACE", "/api/guests"),
        ("GET", "/hardware"),
        ("POST", "/health/live"),
        ("GET", "/api/taps/%00"),
        ("POST", "/api/taps/%00/stop"),
        ("GET", "/api/guests/" + "x" * 300),
        ("GET", "/api/config/" + "x" * 600),
    ],
)
async def test_what_is_no_end_point_is_a_problem_and_never_a_page(
    bar: RunningBar, method: str, path: str
) -> None:
    assert refusal(await bar.ask(method, path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/guests", {"name": "a\0b"}),
        ("/api/guests", {"name": "a", "phone": "\0"}),
        ("/api/beverages", {"name": "a", "kind": "\0", "price_per_litre": 1}),
        ("/api/pours?tap_id=%00", None),
        ("/api/guests?q=%00", None),
        ("/api/visits/active?q=%00", None),
        ("/api/audit?subject=%00", None),
        ("/api/pos/events?status=%00", None),
    ],
)
async def test_a_character_that_no_database_takes_is_refused(
    bar: RunningBar, path: str, body: dict[str, object] | None
) -> None:
    response = await bar.ask("POST" if body else "GET", path, json=body)

    assert refusal(response) == (422, "malformed")


@pytest.mark.long
async def test_every_list_is_bounded_and_takes_no_garbage(
    bar: RunningBar, document: dict[str, Any]
) -> None:
    item = await bar.post("/api/items", name="Gin", unit="ml")
    lists = [
        (path, operation)
        for method, path, operation in operations(document)
        if method == "GET"
        and any(one["name"] == "limit" for one in operation.get("parameters", ()))
    ]
    assert len(lists) >= 14
    for path, operation in lists:
        if "{" in path:
            continue
        needed = [one["name"] for one in operation["parameters"] if one["required"]]
        query = {"item_id": item["id"]} if needed else {}
        assert needed in ([], ["item_id"]), path
        assert set(await bar.get(path, **query)) == {"items", "next"}
        for limit in ("0", "1001", "-1", "x", "1.5", "", "9" * 30):
            response = await bar.ask("GET", path, params=query | {"limit": limit})
            assert refusal(response) == (422, "malformed"), (path, limit)
        for cursor in ("x y", "\0", "9" * 40, f"x~{NOBODY}", "9999-99-99T00:00:00Z~5", "é" * 300):
            response = await bar.ask("GET", path, params=query | {"cursor": cursor})
            assert response.status_code in (200, 422), (path, cursor, response.text)


async def test_a_walk_by_cursor_meets_everything_once(bar: RunningBar) -> None:
    beverage = await bar.post("/api/beverages", name="Walk", kind="beer", price_per_litre=1)
    item = await bar.post("/api/items", name="Walk", unit="ml")
    guest = await bar.post("/api/guests", name="Walker")
    at = {"received_at": "2026-01-01T00:00:00Z"}
    for number in range(1, 6):
        await bar.post("/api/kegs", beverage_id=beverage["id"], volume_ml=number, **at)
        await bar.post("/api/stock/receipts", item_id=item["id"], quantity=number, **at)
        await bar.post(f"/api/guests/{guest['id']}/topup", amount=number)

    kegs = await bar.walk("/api/kegs", beverage_id=beverage["id"])
    batches = await bar.walk("/api/stock/batches", item_id=item["id"])
    lines = await bar.walk(f"/api/guests/{guest['id']}/statement")
    config = await bar.walk("/api/config")
    everybody = await bar.walk("/api/guests", q="Walker")

    assert sorted(keg["volume_ml"] for keg in kegs) == [1, 2, 3, 4, 5]
    assert sorted(batch["quantity"] for batch in batches) == [1, 2, 3, 4, 5]
    assert [line["amount"] for line in lines] == [5, 4, 3, 2, 1]
    assert len({entry["key"] for entry in config}) == len(config) >= 15
    assert [one["id"] for one in everybody] == [guest["id"]]


async def test_the_document_describes_every_operation(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    used = {name.split("/")[-1] for name in re.findall(r'"#/components/schemas/[^"]+', text)}

    assert document["openapi"].startswith("3.")
    assert used - set(schemas) == set()
    names = [operation.get("operationId") for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for method, path, operation in operations(document):
        declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), path
        if method in {"POST", "PUT"}:
            assert operation["requestBody"]["content"]["application/json"]["schema"], path
    price = schemas["SetPrice"]["properties"]
    assert {"price_per_litre", "from"} <= set(price)
    assert "deviceId" in schemas["Calibrate"]["properties"]


async def test_health_names_each_part(bar: RunningBar) -> None:
    live = await bar.ask("GET", "/health/live")
    ready = await until(
        lambda: bar.ask("GET", "/health/ready"), lambda answer: answer.status_code == 200
    )

    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert {"auth-lock", "ledger", "keg-fifo", "console"} <= set(ready.json()["parts"])
    assert ready.json()["parts"]["ledger"]["parts"]["database"] == "ok"


BAD_AMOUNTS = ["0", "-1", "1.5", "1.0", '"5"', "true", "null", "[]", "1000000000001", "1e999"]


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
async def test_money_is_a_positive_integer_up_to_its_limit(bar: RunningBar, amount: str) -> None:
    guest = await bar.post("/api/guests", name="Payer")
    for order in ("topup", "refund"):
        path = f"/api/guests/{guest['id']}/{order}"
        response = await bar.ask("POST", path, content=f'{{"amount":{amount}}}')
        assert refusal(response) == (422, "malformed"), order


async def test_a_balance_has_a_limit_and_sums_beyond_it_break_no_figures(bar: RunningBar) -> None:
    await bar.ask("POST", "/api/shifts/open", json={})
    for _ in range(2):
        guest = await bar.post("/api/guests", name="Rich")
        path = f"/api/guests/{guest['id']}"
        await bar.post(f"{path}/topup", amount=10**12)
        response = await bar.ask("POST", f"{path}/topup", json={"amount": 1})
        assert refusal(response) == (409, "balance_limit")
        await bar.post(f"{path}/refund", amount=10**12)

    async def topups() -> int:
        figures: dict[str, int] = (await bar.get("/api/shifts/current"))["figures"]
        return figures["topups"]

    await until(topups, lambda sum_: sum_ >= 2 * 10**12)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0.0005", 0.001),
        ("0.00049999999999999999999999", None),
        ("1.00049999999999999999999", 1),
        ("12345.6785", 12345.679),
        ("1000000000.0004", 10**9),
        ("1000000000.0005", None),
        ("1e9", 10**9),
        ("0", None),
        ("-1", None),
        ('"5"', None),
        ("NaN", None),
        ("1e999", None),
        ("true", None),
    ],
)
async def test_a_volume_is_kept_to_three_decimals_half_up_and_never_a_binary_float(
    bar: RunningBar, sent: str, kept: float | None
) -> None:
    beverage = await bar.post("/api/beverages", name="Exact", kind="beer", price_per_litre=1)
    body = f'{{"beverage_id":"{beverage["id"]}","volume_ml":{sent}}}'

    response = await bar.ask("POST", "/api/kegs", content=body)

    if kept is None:
        assert refusal(response) == (422, "malformed")
    else:
        assert (response.status_code, response.json()["volume_ml"]) == (201, kept)


async def test_a_null_field_is_an_absent_one(bar: RunningBar) -> None:
    guest = await bar.post("/api/guests", name="Null", phone=None, age_verified=None)
    path = f"/api/guests/{guest['id']}/topup"

    assert (await bar.post(path, amount=5, method=None, note=None))["balance"] == 5


async def test_first_bookings_at_once_are_all_booked(bar: RunningBar) -> None:
    for _ in range(8):
        guest = await bar.post("/api/guests", name="In a hurry")
        path = f"/api/guests/{guest['id']}/topup"
        answers = await asyncio.gather(
            *(bar.ask("POST", path, json={"amount": 7}) for _ in range(12))
        )

        assert {one.status_code for one in answers} == {200}
        assert (await bar.get(f"/api/guests/{guest['id']}"))["balance"] == 84


async def test_two_kegs_that_change_places_at_once_wait_for_each_other(bar: RunningBar) -> None:
    taps = [await bar.seat_tap() for _ in range(2)]
    beverage = taps[0].beverage_id
    kegs = [await bar.post("/api/kegs", beverage_id=beverage, volume_ml=50_000) for _ in range(2)]
    other = [
        await bar.post("/api/taps", id=f"x{os.urandom(4).hex()}", name="X", beverage_id=beverage)
        for _ in range(2)
    ]
    said: set[int] = set()
    for number in range(20):
        here, there = (kegs[number % 2]["id"], kegs[1 - number % 2]["id"])
        answers = await asyncio.gather(
            bar.ask("POST", f"/api/taps/{other[0]['id']}/keg", json={"keg_id": here}),
            bar.ask("POST", f"/api/taps/{other[1]['id']}/keg", json={"keg_id": there}),
        )
        said |= {one.status_code for one in answers}

    assert said <= {200, 409}


async def test_the_first_answer_is_given_again_under_its_key_and_no_other(bar: RunningBar) -> None:
    guest = await bar.post("/api/guests", name="Twice")
    path = f"/api/guests/{guest['id']}/topup"

    async def topup(amount: int, key: str) -> httpx.Response:
        return await bar.ask(
            "POST", path, json={"amount": amount}, headers={"Idempotency-Key": key}
        )

    key = f"once {guest['id']}"
    together = await asyncio.gather(*(topup(500, key) for _ in range(5)))
    assert {one.status_code for one in together} == {200}
    assert len({one.text for one in together}) == 1
    assert refusal(await topup(501, key)) == (422, "idempotency_key_reused")
    for ending in ("a", "b"):
        assert (await topup(1, key + "x" * 300 + ending)).status_code == 200
    assert (await bar.get(f"/api/guests/{guest['id']}"))["balance"] == 502

    first, second = [
        await bar.ask("POST", "/api/guests", json={"name": "K"}, headers={"Idempotency-Key": key})
        for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]


async def test_a_refused_write_leaves_its_key_free(bar: RunningBar) -> None:
    guest = await bar.post("/api/guests", name="Again")
    headers = {"Idempotency-Key": f"again {guest['id']}"}
    path = f"/api/guests/{guest['id']}"

    early = await bar.ask("POST", f"{path}/refund", json={"amount": 5}, headers=headers)
    await bar.post(f"{path}/topup", amount=5)
    later = await bar.ask("POST", f"{path}/refund", json={"amount": 5}, headers=headers)

    assert refusal(early) == (409, "insufficient_balance")
    assert (later.status_code, later.json()["balance"]) == (200, 0)
