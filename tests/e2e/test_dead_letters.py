"""Dead letters over HTTP: seen by managers, replayed by name, on record."""

import httpx
import pytest
from pourline.controller.simulator import Fleet
from pourline.testkit.bar import RunningBar
from pourline.testkit.until import until


async def broken(bar: RunningBar) -> dict[str, object]:
    """Let a tap send what is no pour; return the ledger's dead letter of it."""
    seat = await bar.seat_tap()
    async with Fleet(mqtt_url=bar.mqtt_url, taps=[(seat.tap_id, seat.secret)]) as fleet:
        fleet.publish(seat.tap_id, "pour", {"client_tx_id": "x", "secret": "s3cr3t-of-a-tap"})

        async def found() -> list[dict[str, object]]:
            items = (await bar.get("/api/dead-letters"))["items"]
            return [one for one in items if f".{seat.tap_id}." in one["subject"]]

        (letter,) = await until(found)
    return letter


async def ask(bar: RunningBar, method: str, path: str, *, level: int) -> httpx.Response:
    token = await bar.token(level=level, subject=f"level-{level}")
    headers = {"Authorization": f"Bearer {token}"}
    return await bar.ask(method, path, headers=headers)


async def test_a_manager_sees_a_dead_letter_without_its_secret_and_hears_that_it_is_still_none(
    bar: RunningBar,
) -> None:
    letter = await broken(bar)
    path = f"/api/dead-letters/{letter['service']}/{letter['id']}/replay"

    tried = [await ask(bar, "POST", path, level=4) for _ in range(2)]

    assert letter["service"] == "ledger"
    assert "s3cr3t" not in str(letter)
    assert [(one.status_code, one.json()["code"]) for one in tried] == [(409, "failed_again")] * 2
    record = await bar.get("/api/audit", subject=f"dead_letter:{letter['service']}/{letter['id']}")
    assert [one["actor"] for one in record["items"]] == ["level-4", "level-4"]
    items = (await bar.get("/api/dead-letters"))["items"]
    same = [one for one in items if one["subject"] == letter["subject"]]
    assert [one["id"] for one in same] == [letter["id"]], "it is one message, and one letter"


@pytest.mark.parametrize("level", [1, 3])
async def test_who_is_no_manager_sees_and_does_nothing(bar: RunningBar, level: int) -> None:
    for method, path in (
        ("GET", "/api/dead-letters"),
        ("POST", "/api/dead-letters/ledger/1/replay"),
    ):
        answer = await ask(bar, method, path, level=level)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "place", ["ledger/999999999", "console/1", "nobody/1", "ledger/x", "ledger/1e3"]
)
async def test_what_names_no_letter_is_unknown(bar: RunningBar, place: str) -> None:
    answer = await bar.ask("POST", f"/api/dead-letters/{place}/replay")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "cursor=ledger", "cursor=x:1"]
)
async def test_a_page_that_cannot_be_is_malformed(bar: RunningBar, query: str) -> None:
    answer = await bar.ask("GET", f"/api/dead-letters?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


async def test_pages_lead_through_all_letters(bar: RunningBar) -> None:
    for _ in range(3):
        await broken(bar)

    walked = await bar.walk("/api/dead-letters")

    whole = (await bar.get("/api/dead-letters", limit="1000"))["items"]
    assert len(whole) >= 3
    assert [(one["service"], one["id"]) for one in walked] == [
        (one["service"], one["id"]) for one in whole
    ]
