"""Strangers that are slow or no longer welcome: mail server, point of sale, a revoked device."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest
from pourline.kit.ids import new_id
from pourline.testkit.attacks import connected
from pourline.testkit.bar import Json, RunningBar, run_bar
from pourline.testkit.mailbox import Mood, run_mailbox
from pourline.testkit.resilience.live import Live, live_taps
from pourline.testkit.until import until

pytestmark = pytest.mark.long_resilience

SLOW_S = 25.0
ITEMS = 3
DRAINED_WITHIN_S = 120.0
CUT_WITHIN_S = 60.0
STORED = 5


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


@dataclass
class SlowTill:
    """A point of sale that takes what it is given, but not yet."""

    port: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    given: int = 0
    taken: list[str] = field(default_factory=list)
    lines: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append(writer)
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                self.given += 1
                await self.may_answer.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                self.taken.append(str(body["data"]["reference"]))
        writer.close()


@contextlib.asynccontextmanager
async def slow_till() -> AsyncIterator[SlowTill]:
    till = SlowTill()
    server = await asyncio.start_server(till.serve, "127.0.0.1", 0)
    till.port = server.sockets[0].getsockname()[1]
    yield till
    till.may_answer.set()
    server.close()
    for line in till.lines:
        line.close()
    await server.wait_closed()


async def fall_low(bar: RunningBar, number: int) -> str:
    """Let an item fall below its threshold: somebody is written to."""
    item = await bar.post(
        "/api/items", name=f"Slow gin {number}", unit="each", low_stock_threshold=5
    )
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=6)
    await bar.post(f"/api/inventory/{item['id']}/adjust", delta=-2, reason="broken")
    return str(item["name"])


async def test_slow_mail_and_a_slow_till_keep_no_pour_waiting_and_lose_nothing(
    tmp_path: Path,
) -> None:
    async with run_mailbox() as mailbox, slow_till() as till:
        mailbox.mood = Mood.HANGS
        environment = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port),
            "ADMIN_NOTIFICATION_EMAILS": "staff@example.org",
            "NOTIFICATION_RETRY_MINUTES": "0.05,0.1,0.15",
            "POS_WEBHOOK_URL": f"http://127.0.0.1:{till.port}/pos",
            "POS_WEBHOOK_SECRET": "whsec_c2xvdyB0aWxsIGluIGEgdGVzdCwgc2xvdyB0aWxs",
        }
        async with run_bar(tmp_path / "bar", environment) as bar, live_taps(bar) as live:
            quiet = await live.during(asyncio.sleep(3))
            await bar.ask("PUT", "/api/config/pos_adapter", json={"value": "webhook"})
            already = len(live.sent)
            named = [await fall_low(bar, number) for number in range(ITEMS)]
            slow = await live.during(asyncio.sleep(SLOW_S))
            say(f"before: p99 {quiet.percentile_ms(0.99):.0f} ms")
            say(f"slow mail and till: {slow.sent} pours, p99 {slow.percentile_ms(0.99):.0f} ms")
            assert mailbox.given
            assert till.given
            assert (mailbox.mails, till.taken) == ([], [])
            assert slow.unanswered == ()

            mailbox.mood = Mood.TAKES
            till.may_answer.set()
            begun_s = time.monotonic()
            await until(
                lambda: untold(till, live.sent[already:]),
                lambda left: not left,
                within_s=DRAINED_WITHIN_S,
            )
            say(f"the till's queue was empty after {time.monotonic() - begun_s:.1f} s")
            await until(
                lambda: statuses(bar), lambda told: set(told) == {"sent"}, within_s=DRAINED_WITHIN_S
            )

            texts = [one.get_content() for one in mailbox.mails]
            ids = {str(one["Message-ID"]) for one in mailbox.mails}
            assert [name for name in named if not any(name in text for text in texts)] == []
            assert len(ids) == len({str(one["Message-ID"]) for one in mailbox.given})
            in_order(till, live, already)
            assert await live.wrong() == []
            await bar.verified()


async def untold(till: SlowTill, sent: list[str]) -> set[str]:
    return set(sent) - set(till.taken)


async def statuses(bar: RunningBar) -> list[str]:
    return [one["status"] for one in await bar.walk("/api/notifications")]


def in_order(till: SlowTill, live: Live, already: int) -> None:
    """Each guest's pours came in the order in which they were poured."""
    first = list(dict.fromkeys(till.taken))
    place = {reference: number for number, reference in enumerate(first)}
    sent = live.sent[already:]
    for number in range(len(live.guests)):
        own = [place[one] for one in sent[number :: len(live.guests)]]
        assert own == sorted(own)


def signed(device: Json, event_id: str, pulses: int) -> Json:
    text = f"v1:{device['id']}:{event_id}:0:{pulses}:"
    made = hmac.new(device["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"pulses": pulses, "channel": 0, "event_id": event_id, "signature": made}


@pytest.mark.requirement("SP-1")
async def test_a_device_revoked_in_mid_flow_is_put_out_and_nobody_speaks_for_it(
    tmp_path: Path,
) -> None:
    async with run_bar(tmp_path / "bar") as bar:
        item = await bar.post("/api/items", name="Gin", unit="ml")
        revoked, other = await spout(bar, item), await spout(bar, item)
        kept = [signed(revoked, str(new_id()), 3) for _ in range(STORED)]
        say(f"put out after {await put_out(bar, revoked):.1f} s")
        with pytest.raises(aiomqtt.MqttError):
            async with connected(bar, f"spout-{revoked['id']}", revoked["secret"]):
                pass

        stolen = [await tell(bar, other, one) for one in kept]
        own = await tell(bar, other, signed(other, "own", 4))
        anew = await spout(bar, item)
        again = [
            await tell(bar, anew, signed(anew, str(one["event_id"]), int(one["pulses"])))
            for one in kept
        ]

        assert {one["status"] for one in stolen} == {"rejected"}
        assert own["status"] == "accepted"
        assert [one["status"] for one in again] == ["accepted"] * STORED
        await bar.verified()


async def spout(bar: RunningBar, item: Json) -> Json:
    device = await bar.post("/hardware/spout/devices", name="S", vendor="v")
    calibration = {"inventoryItemId": item["id"], "mlPerPulse": 0.5}
    await bar.post("/hardware/spout/calibrate", deviceId=device["id"], **calibration)
    return device


async def put_out(bar: RunningBar, device: Json) -> float:
    """Revoke a device while it speaks; return how long it could go on, seconds."""
    gone = asyncio.Event()

    async def speak() -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async with connected(bar, f"spout-{device['id']}", device["secret"]) as line:
                async for _ in forever():
                    event = signed(device, str(new_id()), 1)
                    topic = f"bar/main/spout/{device['id']}/pour"
                    await line.client.publish(topic, json.dumps(event), qos=1)
        gone.set()

    speaking = asyncio.create_task(speak())
    await bar.post(f"/hardware/spout/devices/{device['id']}/deactivate")
    begun_s = time.monotonic()
    await asyncio.wait_for(gone.wait(), CUT_WITHIN_S)
    await speaking
    return time.monotonic() - begun_s


async def forever() -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(0.2)  # a device's pace, not a wait for a result


async def tell(bar: RunningBar, device: Json, event: Json) -> Json:
    """Let a device say an event until it is answered."""
    root = f"bar/main/spout/{device['id']}"
    async with connected(bar, f"spout-{device['id']}", device["secret"]) as line:
        await line.client.subscribe(f"{root}/#", qos=1)
        await line.client.publish(f"{root}/pour", json.dumps(event), qos=1)
        return await line.answer(f"{root}/pour/result", event_id=event["event_id"])
