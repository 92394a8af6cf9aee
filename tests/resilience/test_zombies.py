"""A leader that stood still past its lead and comes back: nothing is lost, nothing told twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil
import psycopg
import pytest
from pourline.kit.leading import IDLE_MAX_MS
from pourline.kit.outbox import LOCK_KEY
from pourline.local import credentials
from pourline.local.paths import DataDir
from pourline.local.servers.postgres import SUPERUSER
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.mailbox import Mood, run_mailbox
from pourline.testkit.resilience.letters import Letters, Senders
from pourline.testkit.resilience.live import live_taps
from pourline.testkit.until import until

pytestmark = pytest.mark.long_resilience

TOOK_OVER_WITHIN_S = IDLE_MAX_MS / 1000 + 30
WITHIN_S = 60.0
TRIES = 5


async def leader(bar: RunningBar) -> int | None:
    """Return the process that leads the ledger's relay, found by its connection's port."""
    data_dir = DataDir(bar.data_dir)
    facts, secrets = data_dir.facts(), credentials.load_or_make(data_dir)
    assert facts
    word = secrets.password("postgres", SUPERUSER)
    url = f"postgresql://{SUPERUSER}:{word}@127.0.0.1:{facts.postgres_port}/ledger"
    question = (
        "SELECT client_port FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND objid = %s AND granted AND datname = current_database()"
    )
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with connection:
        found = await (await connection.execute(question, (LOCK_KEY,))).fetchall()
    ports = {port for (port,) in found}
    lines = psutil.net_connections("tcp")
    return next((one.pid for one in lines if one.laddr and one.laddr[1] in ports), None)


@contextlib.asynccontextmanager
async def leading_second(bar: RunningBar, folder: Path) -> AsyncIterator[psutil.Process]:
    """Start another ledger, which nobody watches, and let the lead come to it."""
    started = await bar.start_another("ledger", log=folder / "second.log")
    second = psutil.Process(started.pid)
    try:
        for _ in range(TRIES):
            first = bar.process_of("ledger")
            first.kill()
            led = await until(lambda: leader(bar), lambda one: one is not None, within_s=WITHIN_S)
            await bar.ready(within_s=WITHIN_S)
            if led == second.pid:
                break
        assert await leader(bar) == second.pid
        yield second
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            second.resume()
        started.terminate()
        await started.wait()


async def test_a_relay_that_stood_still_past_its_lead_tells_nothing_twice(tmp_path: Path) -> None:
    async with (
        run_bar(tmp_path / "bar") as bar,
        live_taps(bar) as live,
        leading_second(bar, tmp_path) as second,
    ):

        async def stand_still() -> None:
            second.suspend()
            await until(
                lambda: leader(bar),
                lambda one: one not in {None, second.pid},
                within_s=TOOK_OVER_WITHIN_S,
            )
            second.resume()
            await asyncio.sleep(3)  # it does what it had in hand, while guests drink

        during = await live.during(stand_still())

        assert during.unanswered == ()
        assert second.is_running()
        assert await live.wrong() == []
        await bar.ready()
        await bar.verified()


async def test_a_sender_that_stood_still_with_a_mail_in_hand_writes_no_other_one(
    tmp_path: Path,
) -> None:
    letters = Letters()
    async with run_mailbox() as mailbox:
        environment = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port),
            "ADMIN_NOTIFICATION_EMAILS": "staff@example.org",
            "NOTIFICATION_RETRY_MINUTES": "0.05,0.1,0.15",
        }
        async with run_bar(tmp_path / "bar", environment) as bar:
            senders = Senders(bar, tmp_path)
            await senders.leader()
            second = await senders.start_second()
            for _ in range(TRIES):
                if await senders.kill_leader(letters) == "second":
                    break
            await bar.ready()
            mailbox.mood = Mood.HANGS
            item = await bar.post("/api/items", name="Gin", unit="each", low_stock_threshold=5)
            await bar.post("/api/stock/receipts", item_id=item["id"], quantity=6)
            await bar.post(f"/api/inventory/{item['id']}/adjust", delta=-2, reason="broken")
            await until(lambda: given(mailbox.given), within_s=WITHIN_S)
            begun = senders.said("sender_leads")[-1][0]

            second.suspend()
            mailbox.mood = Mood.TAKES
            assert await senders.leader(since=begun, within_s=TOOK_OVER_WITHIN_S) == "first"
            await until(lambda: given(mailbox.mails), within_s=WITHIN_S)
            second.resume()
            await until(
                lambda: statuses(bar), lambda told: set(told) == {"sent"}, within_s=WITHIN_S
            )
            await senders.stop()
            await bar.verified()

    assert len({str(one["Message-ID"]) for one in mailbox.given}) == 1
    assert {one.get_content().count("Gin") > 0 for one in mailbox.mails} == {True}


async def given(mails: Sequence[object]) -> bool:
    return bool(mails)


async def statuses(bar: RunningBar) -> list[str]:
    return [one["status"] for one in await bar.walk("/api/notifications")]
