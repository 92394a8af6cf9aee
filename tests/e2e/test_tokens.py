"""Ending tokens: whatever takes a right away is felt at once, over HTTP and over MQTT."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiomqtt
import httpx
import jwt
import pytest
from pourline.kit.ids import new_id
from pourline.testkit.bar import RunningBar, refusal
from pourline.testkit.entering import entered
from pourline.testkit.until import until

pytestmark = pytest.mark.xdist_group("bar")

PASSWORD = "correct horse"
WITHIN_S = 10.0
"""A right that was taken away is gone everywhere by then."""
Json = dict[str, Any]


async def hired(bar: RunningBar, level: int = 3) -> Json:
    return await bar.post("/api/staff", username=f"s{new_id()}", password=PASSWORD, level=level)


async def login(bar: RunningBar, account: Json, password: str = PASSWORD) -> str:
    session = await bar.post("/api/auth/login", username=account["username"], password=password)
    token: str = session["token"]
    return token


async def ask(
    bar: RunningBar, token: str, path: str = "/api/taps", method: str = "GET"
) -> httpx.Response:
    return await bar.ask(method, path, headers={"Authorization": f"Bearer {token}"})


async def enters(bar: RunningBar, token: str) -> bool:
    """Return whether a screen with this token may connect."""
    client = aiomqtt.Client(
        "127.0.0.1",
        int(bar.mqtt_url.rsplit(":", 1)[1]),
        username="operator",
        password=token,
        identifier=f"screen-{new_id()}",
    )
    try:
        async with client:
            return True
    except aiomqtt.MqttError:
        return False


async def test_a_logout_ends_the_own_token_at_once_and_no_other(bar: RunningBar) -> None:
    account = await hired(bar)
    here, there = await login(bar, account), await login(bar, account)
    assert (await ask(bar, here)).status_code == 200

    done = await ask(bar, here, "/api/auth/logout", "POST")

    assert (done.status_code, done.json()) == (200, {"revoked": True})
    assert refusal(await ask(bar, here)) == (401, "unauthorized")
    assert refusal(await ask(bar, here, "/api/auth/logout", "POST")) == (401, "unauthorized")
    assert (await ask(bar, there)).status_code == 200
    assert [await enters(bar, here), await enters(bar, there)] == [False, True]


async def test_a_token_of_the_command_line_can_be_ended_too(bar: RunningBar) -> None:
    token = await bar.token(level=2)

    assert (await ask(bar, token, "/api/auth/logout", "POST")).status_code == 200
    assert refusal(await ask(bar, token)) == (401, "unauthorized")


@pytest.mark.long
@pytest.mark.parametrize(
    ("order", "body"),
    [("level", {"level": 1}), ("password", {"password": PASSWORD}), ("deactivate", {})],
)
async def test_taking_rights_from_an_account_ends_its_tokens_everywhere(
    bar: RunningBar, order: str, body: Json
) -> None:
    account = await hired(bar)
    token, other = await login(bar, account), await login(bar, await hired(bar))
    port = int(bar.mqtt_url.rsplit(":", 1)[1])
    new_client = partial(aiomqtt.Client, "127.0.0.1", port, username="operator", password=token)
    async with entered(new_client) as screen:
        await screen.subscribe("bar/main/alerts/#", qos=1)
        await bar.post(f"/api/staff/{account['id']}/{order}", **body)

        await until(lambda: refused(bar, token), within_s=WITHIN_S)
        assert not await enters(bar, token)
        async with asyncio.timeout(WITHIN_S):
            await gone(screen)

    assert (await ask(bar, other)).status_code == 200
    if order != "deactivate":
        again = await login(bar, account)
        level = jwt.decode(again, options={"verify_signature": False})["level"]
        assert level == body.get("level", 3)


async def refused(bar: RunningBar, token: str) -> bool:
    return (await ask(bar, token)).status_code == 401


async def gone(screen: aiomqtt.Client) -> None:
    """Wait until the broker ends a connection."""
    try:
        async for _ in screen.messages:
            pass
    except aiomqtt.MqttError:
        return


async def test_who_was_deactivated_comes_back_when_reactivated_only(bar: RunningBar) -> None:
    account = await hired(bar)
    path = f"/api/staff/{account['id']}"
    body = {"username": account["username"], "password": PASSWORD}

    off = await bar.post(f"{path}/deactivate")
    kept_out = await bar.ask("POST", "/api/auth/login", json=body)
    on = await bar.post(f"{path}/reactivate")

    assert [off["active"], on["active"]] == [False, True]
    assert refusal(kept_out) == (401, "wrong_password")
    assert await login(bar, account)
    accounts = await bar.walk("/api/staff")
    [listed] = [one for one in accounts if one["id"] == account["id"]]
    assert set(listed) == {"id", "username", "level", "active", "has_pin"}


@pytest.mark.long
async def test_a_pin_opens_a_shared_screen_and_five_wrong_ones_close_it(bar: RunningBar) -> None:
    account = await hired(bar, level=4)
    path = f"/api/staff/{account['id']}/pin"

    async def pin(text: str) -> httpx.Response:
        body = {"username": account["username"], "pin": text}
        return await bar.ask("POST", "/api/auth/pin", json=body, headers={"Authorization": ""})

    assert refusal(await bar.ask("POST", path, json={"pin": "12"})) == (422, "malformed")
    assert (await bar.post(path, pin="0815"))["has_pin"] is True
    session = (await pin("0815")).json()
    wrong = [refusal(await pin("0000")) for _ in range(6)]

    assert session["level"] == 2
    ends = datetime.fromisoformat(session["expires_at"])
    assert 0 < (ends - datetime.now(UTC)).total_seconds() <= 15 * 60
    assert (await ask(bar, session["token"])).status_code == 200
    assert refusal(await ask(bar, session["token"], "/api/config")) == (403, "forbidden")
    assert wrong == [(401, "wrong_password")] * 5 + [(429, "too_often")]
    assert refusal(await pin("0815")) == (429, "too_often")
    assert await login(bar, account)


@pytest.mark.requirement("VI-6")
async def test_the_record_is_filtered_and_exported_as_a_sheet(bar: RunningBar) -> None:
    since = datetime.now(UTC)
    account = await hired(bar)
    await bar.post(f"/api/staff/{account['id']}/level", level=1)
    subject = f"staff:{account['username']}"

    async def actions(**query: str) -> list[str]:
        return [one["action"] for one in (await bar.get("/api/audit", **query))["items"]]

    assert await actions(subject=subject) == ["staff_level_set", "staff_created"]
    assert await actions(subject=subject, action="staff_created") == ["staff_created"]
    assert await actions(subject=subject, actor="nobody") == []
    assert "staff_created" in await actions(**{"actor": "tests", "from": since.isoformat()})
    assert await actions(subject=subject, to=since.isoformat()) == []
    for wrong in ({"from": "yesterday"}, {"to": "2026-01-01T00:00:00"}):
        response = await bar.ask("GET", "/api/audit", params=wrong)
        assert refusal(response) == (422, "malformed")
    sheet = await bar.ask("GET", "/api/audit", params={"subject": subject, "format": "csv"})
    assert sheet.headers["content-type"].startswith("text/csv")
    head, newest, *_ = sheet.text.splitlines()
    assert head == "id,at,actor,action,subject,reason,before,after"
    assert newest.endswith(f',tests,staff_level_set,{subject},,"{{""level"":3}}","{{""level"":1}}"')


async def test_a_page_of_a_thousand_is_longer_than_a_message_of_the_bus(bar: RunningBar) -> None:
    name = f"Wordy {new_id()} "
    for number in range(130):
        await bar.post("/api/guests", name=f"{name}{number:03}", email="x" * 480)

    whole = await bar.get("/api/guests", q=name, limit="1000")
    first = await bar.get("/api/guests", q=name)

    assert (len(whole["items"]), whole["next"]) == (130, None)
    assert (len(first["items"]), first["items"]) == (100, whole["items"][:100])
    rest = await bar.get("/api/guests", q=name, cursor=first["next"])
    assert [one["name"][-3:] for one in rest["items"]] == [f"{n:03}" for n in range(100, 130)]
