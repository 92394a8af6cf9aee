"""Mail, suppressions and the inventory monitor of a whole bar, seen from outside."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pourline.testkit.bar import Json, RunningBar, refusal, run_bar
from pourline.testkit.mailbox import Mailbox, run_mailbox
from pourline.testkit.until import until

pytestmark = pytest.mark.long

WITHIN_S = 10.0
SECRET = "timetable-secret-0123456789"
NOBODY = "0199c0de-0000-7000-8000-000000000000"
CRON = "/api/cron/inventory-monitor"
CHECK = "/api/inventory/notifications/check"


@asynccontextmanager
async def a_bar_with_mail(folder: Path) -> AsyncIterator[tuple[RunningBar, Mailbox]]:
    async with run_mailbox() as mailbox:
        environment = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port),
            "SMTP_FROM": "bar@pub.example",
            "ADMIN_NOTIFICATION_EMAILS": "first@example.org, no-address",
            "CRON_SECRET": SECRET,
        }
        async with run_bar(folder / "bar", environment) as bar:
            yield bar, mailbox


async def low_on(bar: RunningBar, name: str) -> str:
    """Let an item fall below its threshold."""
    item = await bar.post("/api/items", name=name, unit="each", low_stock_threshold=5)
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=6)
    await bar.post(f"/api/inventory/{item['id']}/adjust", delta=-2, reason="broken")
    return str(item["id"])


async def mails_about(mailbox: Mailbox, name: str) -> list[list[str]]:
    """Return who got each mail about something."""
    return [
        who
        for mail, who in zip(mailbox.mails, mailbox.recipients, strict=True)
        if name in str(mail["Subject"])
    ]


async def poured(bar: RunningBar, item_id: str, pulses: int) -> None:
    """Let a spout pour."""
    device = await bar.post("/hardware/spout/devices", name="S", vendor="Berg")
    await bar.post(
        "/hardware/spout/calibrate",
        deviceId=device["id"],
        inventoryItemId=item_id,
        mlPerPulse=1,
    )
    body = json.dumps({"deviceId": device["id"], "pulses": pulses, "eventId": "e1"}).encode()
    signature = hmac.new(device["secret"].encode(), body, hashlib.sha256).hexdigest()
    answer = await bar.ask(
        "POST", "/hardware/spout/ingest", content=body, headers={"X-Spout-Signature": signature}
    )
    assert answer.status_code == 202, answer.text


async def cron(bar: RunningBar, **options: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {options['bearer']}"} if "bearer" in options else {}
    query = {"token": options["token"]} if "token" in options else {}
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web:
        return await web.get(CRON, headers=headers, params=query)


@pytest.mark.requirement("AL-4", "AL-6", "AL-8", "AL-9")
async def test_an_alert_is_mailed_in_ten_seconds_to_whom_the_configuration_names(
    tmp_path: Path,
) -> None:
    async with a_bar_with_mail(tmp_path) as (bar, mailbox):
        first = await bar.get("/api/config/notification_recipients")
        await low_on(bar, "Gin")
        sent = await until(
            lambda: mails_about(mailbox, "Gin"), lambda mails: len(mails) > 0, within_s=WITHIN_S
        )
        await a_log_row_is_there(bar, "Gin")

        wrong = {"value": ["new@example.org", "no-address"]}
        answer = await bar.ask("PUT", "/api/config/notification_recipients", json=wrong)
        assert refusal(answer)[0] == 422
        changed = {"value": ["new@example.org"]}
        await bar.ask("PUT", "/api/config/notification_recipients", json=changed)
        await until(lambda: gets_mail(bar, mailbox, "new@example.org"), within_s=WITHIN_S)
        await a_suppressed_alert_waits(bar, mailbox)

    assert first["value"] == ["first@example.org"]
    assert sent == [["first@example.org"]]


async def a_log_row_is_there(bar: RunningBar, name: str) -> None:
    async def rows() -> list[Json]:
        listed = await bar.get("/api/notifications", status="sent")
        return [one for one in listed["items"] if name in one["payload"]["title"]]

    [row] = await until(rows, lambda found: len(found) == 1)
    assert (row["type"], row["attempt_count"]) == ("alert", 1)
    again = await bar.ask("POST", f"/api/notifications/{row['id']}/retry")
    unknown = await bar.ask("POST", f"/api/notifications/{NOBODY}/retry")
    bad = await bar.ask("GET", "/api/notifications", params={"status": "lost"})
    assert refusal(again) == (409, "notification_sent")
    assert (refusal(unknown)[0], refusal(bad)[0]) == (404, 422)


async def gets_mail(bar: RunningBar, mailbox: Mailbox, address: str) -> bool:
    """Return whether an address gets what is raised now."""
    name = f"Rum {len(mailbox.mails)}"
    await low_on(bar, name)
    found = await until(lambda: mails_about(mailbox, name), lambda mails: len(mails) > 0)
    return found == [[address]]


async def a_suppressed_alert_waits(bar: RunningBar, mailbox: Mailbox) -> None:
    until_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    path = "/api/alert-suppressions"
    kept = await bar.ask(
        "POST", path, json={"kind": "low_stock", "until": until_at, "reason": "stocktaking"}
    )
    assert kept.status_code == 201
    assert [one["id"] for one in (await bar.get(path))["items"]] == [kept.json()["id"]]
    item_id = await low_on(bar, "Vermouth")

    async def alert() -> list[Json]:
        items: list[Json] = (await bar.get("/api/alerts", state="open"))["items"]
        return [one for one in items if one["subject"]["id"] == item_id]

    [hidden] = await until(alert, lambda found: len(found) == 1)
    assert hidden["suppressed_until"] is not None
    assert await mails_about(mailbox, "Vermouth") == []
    assert (await bar.ask("DELETE", f"{path}/{kept.json()['id']}")).status_code == 200
    await until(
        lambda: mails_about(mailbox, "Vermouth"), lambda mails: len(mails) > 0, within_s=WITHIN_S
    )


@pytest.mark.requirement("AL-3", "AL-10", "RT-2", "PO-5")
async def test_the_monitor_is_run_on_demand_and_by_a_timetable_that_knows_the_secret(
    tmp_path: Path,
) -> None:
    async with a_bar_with_mail(tmp_path) as (bar, mailbox):
        item = await bar.post("/api/items", name="Campari", unit="ml", low_stock_threshold=900)
        await bar.post("/api/stock/receipts", item_id=item["id"], quantity=1000)
        await poured(bar, item["id"], 600)

        # The alert of low stock comes after the news of what was poured.
        await until(lambda: mails_about(mailbox, "Campari is low"), lambda mails: len(mails) > 0)
        assert await bar.post(CHECK, check_all=True) == {
            "success": True,
            "data": {
                "type": "full_check",
                "summary": {
                    "packages_checked": 0,
                    "notifications_sent": 1,
                    "bottlenecks_detected": 0,
                    "errors": [],
                },
            },
        }
        stats = {"total_entries": 1, "by_type": {"stockout_predicted": 1}}
        assert await bar.get(CHECK) == {"success": True, "data": stats}
        await until(
            lambda: mails_about(mailbox, "Campari will run out"),
            lambda mails: len(mails) > 0,
            within_s=WITHIN_S,
        )
        await who_may_run_it(bar)
        logs = "".join(path.read_text() for path in (bar.data_dir / "log").rglob("*.log*"))
        assert SECRET not in logs
        assert logs


async def who_may_run_it(bar: RunningBar) -> None:
    run = (await cron(bar, bearer=SECRET)).json()
    assert run["success"] is True
    assert set(run["data"]) == {"success", "timestamp", "duration_ms", "summary"}
    assert (await cron(bar, token=SECRET)).status_code == 200
    for wrong in (await cron(bar), await cron(bar, token="no"), await cron(bar, bearer="no")):
        assert refusal(wrong) == (401, "unauthorized")
    unknown = await bar.ask("POST", CHECK, json={"package_id": NOBODY})
    bad = await bar.ask("POST", CHECK, json={"check_all": "yes"})
    assert (refusal(unknown)[0], refusal(bad)[0]) == (404, 422)
    often = [(await cron(bar, token=SECRET)).status_code for _ in range(9)]
    assert often == [200] * 8 + [429]
    assert (await cron(bar, token="no")).status_code == 401
    asked = [(await bar.ask("POST", CHECK, json={})).status_code for _ in range(8)]
    assert asked == [200] * 7 + [429], "three were asked before"
