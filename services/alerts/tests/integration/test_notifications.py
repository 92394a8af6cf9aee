"""Notifications against a real database and a real mail server that does what servers do."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pourline.alerts.domain.kinds import Kind, cause_of, opened
from pourline.alerts.domain.notices import DIGEST_FROM, RETRY_AFTER_MINUTES
from pourline.alerts.handlers import desk, notifications
from pourline.alerts.handlers.config import on_config
from pourline.alerts.handlers.opening import apply
from pourline.alerts.invariants import INVARIANTS
from pourline.alerts.jobs import Mail, MailServer, Push, Sender
from pourline.alerts.store.notifications import set_channels
from pourline.contracts.base import Envelope
from pourline.contracts.evening import Alert, ListAlerts
from pourline.contracts.notices import ListNotifications, Notification, RetryNotification
from pourline.contracts.taps import ConfigChanged
from pourline.kit.db import Database, Row
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.ending import end
from pourline.testkit.mailbox import Mailbox, Mood, make_identity, run_mailbox
from pourline.testkit.plugin import FreshDatabase
from pourline.testkit.until import until

STAFF = Context(actor="anna", level=3)
SCHEDULE = tuple(timedelta(minutes=one) for one in RETRY_AFTER_MINUTES)
STEP_S = 30.0
SHORT_S = 0.5
"""For a server that never answers."""
VERSIONS = itertools.count(1)


@dataclass(kw_only=True)
class Desk:
    """A bar's alerts and the log of what went out of the house."""

    url: str
    clock: FakeClock
    database: Database
    stack: AsyncExitStack
    senders: list[Sender] = field(default_factory=list)

    def sender(self, mailbox: Mailbox | None = None, **server: Any) -> Sender:  # noqa: ANN401 a server's fields
        """Return a sender that hands over to `mailbox`."""
        fields: dict[str, Any] = {"step_within_s": STEP_S} | server
        if mailbox:
            fields |= {"host": "127.0.0.1", "port": mailbox.port}
        mail = Mail(MailServer(**fields))
        return Sender(database=self.database, channel=mail, retry_after=SCHEDULE)

    async def empty(self, *kegs: str) -> None:
        """Let kegs be empty: a critical alert each."""
        async with self.database.transaction() as unit:
            for keg in kegs:
                cause = cause_of(Kind.KEG_EMPTY, keg)
                await apply(unit, [opened(cause, beverage=f"Pils {keg}", tap_id="1")])

    async def write_to(self, *addresses: str) -> None:
        """Configure who is written to."""
        change = ConfigChanged(key="notification_recipients", value=list(addresses))
        event = Envelope[ConfigChanged](
            id=str(new_id()),
            type="config.changed.v1",
            source="auth-lock",
            subject="x",
            time=self.clock.now(),
            aggregate="config:notification_recipients",
            version=next(VERSIONS),
            data=change,
        )
        async with self.database.transaction() as unit:
            await on_config([event], unit)

    async def log(self, **query: object) -> list[Notification]:
        async with self.database.transaction() as unit:
            listed = await notifications.list_notifications(
                ListNotifications.model_validate(query), unit, STAFF
            )
        return listed.items

    async def retry(self, notification_id: str) -> Notification:
        async with self.database.transaction() as unit:
            order = RetryNotification(notification_id=notification_id)
            return await notifications.retry_notification(order, unit, STAFF)

    async def alerts(self, *, kind: str) -> list[Alert]:
        async with self.database.transaction() as unit:
            listed = await desk.list_alerts(ListAlerts(), unit, STAFF)
        return [one for one in listed.items if one.kind == kind]

    async def rows(self, sql: str) -> list[Row]:
        async with self.database.transaction() as unit:
            return await unit.all(sql)

    async def mailbox(self, **how: Any) -> Mailbox:  # noqa: ANN401 a mailbox's fields
        return await self.stack.enter_async_context(run_mailbox(**how))


@pytest.fixture
async def office(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Desk]:
    url = fresh_database("alerts")
    database = Database(url=url, service="alerts", clock=clock)
    await database.open()
    async with AsyncExitStack() as stack:
        office = Desk(url=url, clock=clock, database=database, stack=stack)
        await office.write_to("anna@example.org", "ben@example.org")
        yield office
        rules = [rule for rule in INVARIANTS if rule.name != "outbox_is_published"]
        assert [rule.name for rule in rules if await office.rows(rule.sql)] == []
    await database.close()


async def send_all(sender: Sender) -> int:
    """Send until nothing is due; return how many tries that took."""
    tries = 0
    while await sender.send_one():
        tries += 1
    return tries


def moments(notes: Sequence[Notification]) -> list[tuple[str, int]]:
    return [(one.status.value, one.attempt_count) for one in notes]


@pytest.mark.requirement("AL-4")
async def test_a_critical_alert_is_mailed_to_everybody_who_is_configured(office: Desk) -> None:
    mailbox = await office.mailbox()
    await office.empty("a")
    [queued] = await office.log()

    await send_all(office.sender(mailbox, sender="Bar <bar@pub.example>"))

    [mail], [sent] = mailbox.mails, await office.log()
    assert queued.status == "pending"
    assert (sent.status, sent.attempt_count, sent.error_details) == ("sent", 1, None)
    assert sent.recipients == ["anna@example.org", "ben@example.org"]
    assert mailbox.recipients == [["anna@example.org", "ben@example.org"]]
    assert mail["Subject"] == "[critical] Pils a is empty"
    assert mail["Message-ID"] == f"<{sent.id}@pub.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_content()
    assert "The keg on tap 1 is empty. Connect another one." in body
    assert str(sent.payload["alert_id"]) in body


@pytest.mark.requirement("AL-4")
async def test_a_notification_is_in_the_transaction_that_opens_its_alert(office: Desk) -> None:
    class PowerCutError(Exception):
        """The lights went out before the commit."""

    with suppress(PowerCutError):
        async with office.database.transaction() as unit:
            await apply(unit, [opened(cause_of(Kind.KEG_EMPTY, "a"), beverage="P", tap_id="1")])
            raise PowerCutError

    assert await office.log() == []
    await office.empty("a")
    await office.empty("a")
    assert len(await office.log()) == 1


async def test_a_warning_that_is_not_about_stock_is_mailed_to_nobody(office: Desk) -> None:
    async with office.database.transaction() as unit:
        lock = opened(cause_of(Kind.STALE_LOCK, "1"), tap_id="1", since="noon")
        stock = opened(cause_of(Kind.LOW_STOCK, "gin"), name="Gin", left="1 ltr", threshold="2")
        await apply(unit, [lock, stock])

    assert [one.payload["kind"] for one in await office.log()] == ["low_stock"]


@pytest.mark.requirement("AL-4")
async def test_one_try_and_three_retries_after_1_5_and_15_minutes_then_mail_is_failing(
    office: Desk,
) -> None:
    sender = office.sender(host="127.0.0.1", port=1, tls="none")
    await office.empty("a")
    waits: list[float] = []
    while (await office.log())[0].status == "pending":
        assert await send_all(sender) == 1
        [note] = await office.log()
        if note.next_attempt_at:
            waits.append((note.next_attempt_at - office.clock.now()).total_seconds() / 60)
            office.clock.advance(minutes=waits[-1], seconds=-1)
            assert await send_all(sender) == 0
            office.clock.advance(seconds=1)

    [failed] = await office.log()
    assert (failed.status, failed.attempt_count, waits) == ("failed", 4, [1, 5, 15])
    assert "refused" in (failed.error_details or "").lower() or failed.error_details
    [alert] = await office.alerts(kind="mail_failing")
    assert (alert.state, alert.severity) == ("open", "warning")
    assert len(await office.log()) == 1, "failing mail is not mailed"

    mailbox = await office.mailbox()
    await office.retry(failed.id)
    await send_all(office.sender(mailbox))

    [ended] = await office.alerts(kind="mail_failing")
    assert (ended.state, moments(await office.log())) == ("resolved", [("sent", 5)])


@pytest.mark.requirement("AL-4")
@pytest.mark.parametrize("mood", [mood for mood in Mood if mood is not Mood.TAKES])
async def test_whatever_a_server_does_the_mail_comes_once_it_takes_it_under_the_same_id(
    office: Desk, mood: Mood
) -> None:
    mailbox = await office.mailbox()
    mailbox.mood = mood
    is_silent = mood in {Mood.HANGS, Mood.HALF_CLOSES}
    sender = office.sender(mailbox, step_within_s=SHORT_S if is_silent else STEP_S)
    await office.empty("a")
    await send_all(sender)
    [waiting] = await office.log()
    mailbox.mood = Mood.TAKES
    sender = office.sender(mailbox)
    assert await send_all(sender) == 0, "its minute is not over"
    office.clock.advance(minutes=1)
    await send_all(sender)

    [mail], [note] = mailbox.mails, await office.log()
    assert (waiting.status, note.status, note.attempt_count) == ("pending", "sent", 2)
    assert waiting.error_details
    assert {one["Message-ID"] for one in mailbox.given} == {mail["Message-ID"]}


@pytest.mark.requirement("AL-4")
async def test_who_has_the_mail_does_not_get_it_again_when_another_was_refused(
    office: Desk,
) -> None:
    mailbox = await office.mailbox()
    mailbox.unknown = {"ben@example.org"}
    sender = office.sender(mailbox)
    await office.empty("a")
    await send_all(sender)
    [waiting] = await office.log()
    mailbox.unknown = set()
    office.clock.advance(minutes=1)
    await send_all(sender)

    assert "ben@example.org: 550" in (waiting.error_details or "")
    assert mailbox.recipients == [["anna@example.org"], ["ben@example.org"]]
    assert moments(await office.log()) == [("sent", 2)]


@pytest.mark.requirement("AL-6")
@pytest.mark.parametrize("mode", ["starttls", "auto", "tls"])
async def test_a_self_made_certificate_is_trusted_only_where_a_setting_says_so(
    office: Desk, tmp_path: Path, mode: str
) -> None:
    identity = make_identity(tmp_path)
    mailbox = await office.mailbox(identity=identity, starttls=mode != "tls")
    await office.empty("a")
    await send_all(office.sender(mailbox, tls=mode))
    [stranger] = await office.log()
    office.clock.advance(minutes=1)
    await send_all(office.sender(mailbox, tls=mode, ca_file=str(identity.certificate)))

    assert "certificate verify failed" in (stranger.error_details or "").lower()
    assert moments(await office.log()) == [("sent", 2)]


async def test_a_server_without_starttls_gets_no_mail_where_it_is_demanded(office: Desk) -> None:
    mailbox = await office.mailbox()
    await office.empty("a")
    await send_all(office.sender(mailbox, tls="starttls"))

    assert (mailbox.given, moments(await office.log())) == ([], [("pending", 1)])


@pytest.mark.requirement("AL-6")
@pytest.mark.parametrize(("password", "status"), [("right", "sent"), ("wrong", "pending")])
async def test_a_server_that_wants_a_login_is_told_user_and_password(
    office: Desk, password: str, status: str
) -> None:
    mailbox = await office.mailbox(login=("bar", "right"))
    await office.empty("a")
    await send_all(office.sender(mailbox, user="bar", password=password))

    [note] = await office.log()
    assert note.status == status, note.error_details
    assert password not in (note.error_details or "")


@pytest.mark.requirement("AL-4")
async def test_without_a_mail_server_or_anybody_to_write_to_it_is_logged(office: Desk) -> None:
    await office.empty("a")
    await send_all(office.sender())
    await office.write_to()
    await office.empty("b")
    mailbox = await office.mailbox()
    await send_all(office.sender(mailbox))

    notes = await office.log(status="logged")
    assert [one.error_details for one in notes] == ["There is nobody to write to.", None]
    assert mailbox.given == []


@pytest.mark.requirement("AL-6")
async def test_new_recipients_get_the_very_next_try(office: Desk) -> None:
    mailbox = await office.mailbox()
    mailbox.mood = Mood.GREYLISTS
    sender = office.sender(mailbox)
    await office.empty("a")
    await send_all(sender)
    await office.write_to("carl@example.org")
    mailbox.mood = Mood.TAKES
    office.clock.advance(minutes=1)
    await send_all(sender)

    assert mailbox.recipients == [["carl@example.org"]]


async def test_many_at_once_are_one_digest_that_all_of_them_share_the_fate_of(
    office: Desk,
) -> None:
    mailbox = await office.mailbox()
    mailbox.mood = Mood.GREYLISTS
    sender = office.sender(mailbox)
    kegs = [f"k{number}" for number in range(DIGEST_FROM)]
    await office.empty(*kegs)
    await send_all(sender)
    waiting = {one.status.value for one in await office.log() if one.digest_id}
    mailbox.mood = Mood.TAKES
    office.clock.advance(minutes=1)
    await send_all(sender)
    await office.empty("one more")
    await send_all(sender)

    digest, single = mailbox.mails
    assert digest["Subject"] == "[10 alerts, 10 critical] Pils k0 is empty and others"
    assert all(f"Pils {keg} is empty" in digest.get_content() for keg in kegs)
    assert single["Subject"] == "[critical] Pils one more is empty"
    assert (waiting, {one.status.value for one in await office.log()}) == ({"merged"}, {"sent"})


async def test_staff_have_what_failed_tried_again_with_every_retry_before_it(
    office: Desk,
) -> None:
    await office.empty("a")
    await send_all(office.sender())
    [logged] = await office.log()
    again = await office.retry(logged.id)
    mailbox = await office.mailbox()
    await send_all(office.sender(mailbox))

    assert (again.status, len(mailbox.mails)) == ("pending", 1)
    codes = []
    for notification_id in (logged.id, str(new_id()), "nothing"):
        with pytest.raises(Rejected) as refused:
            await office.retry(notification_id)
        codes.append(refused.value.wire_code)
    assert codes == ["notification_sent", "not_found", "not_found"]


@pytest.mark.requirement("AL-5")
async def test_one_of_two_sends_and_the_other_takes_over_when_its_session_is_lost(
    office: Desk,
) -> None:
    mailbox = await office.mailbox()
    other = Database(url=office.url, service="alerts", clock=office.clock)
    await other.open()
    office.stack.push_async_callback(other.close)
    first = office.sender(mailbox)
    second = Sender(database=other, channel=first_channel(mailbox), retry_after=SCHEDULE)
    tasks = [asyncio.create_task(first.run())]
    await until(lambda: is_true(first.leads))
    tasks.append(asyncio.create_task(second.run()))
    await office.empty("a")
    first.wake()
    await until(office.log, lambda notes: [one.status.value for one in notes] == ["sent"])
    assert (first.leads, second.leads) == (True, False)

    await end(tasks[0])
    await until(lambda: is_true(second.leads))
    third = asyncio.create_task(first.run())
    await office.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await until(lambda: is_true(first.leads != second.leads))
    await office.empty("b")
    await until(lambda: is_true(len(mailbox.mails) == 2))

    assert sorted(mailbox.subjects) == ["[critical] Pils a is empty", "[critical] Pils b is empty"]
    assert [mail["Message-ID"] for mail in mailbox.mails] == [
        f"<{one.id}@localhost>" for one in reversed(await office.log())
    ]
    await end(third, tasks[1])


def first_channel(mailbox: Mailbox) -> Mail:
    return Mail(MailServer(host="127.0.0.1", port=mailbox.port))


async def is_true(value: bool) -> bool:  # noqa: FBT001 the value is the question
    return value


@pytest.mark.requirement("AL-4", "AL-5")
async def test_a_mail_whose_sender_died_before_its_record_is_sent_again_under_its_id(
    office: Desk,
) -> None:
    mailbox = await office.mailbox()
    mailbox.mood = Mood.HANGS
    dying = office.sender(mailbox, step_within_s=5.0)
    await office.empty("a")
    run = asyncio.create_task(dying.run())
    await until(lambda: is_true(bool(mailbox.given)))
    await end(run)
    mailbox.mood = Mood.TAKES
    await send_all(office.sender(mailbox))

    first, second = mailbox.given
    assert first["Message-ID"] == second["Message-ID"]
    assert moments(await office.log()) == [("sent", 1)]


@pytest.mark.requirement("AL-11")
async def test_other_channels_get_it_too_and_who_has_it_gets_it_once(office: Desk) -> None:
    posts: list[dict[str, Any]] = []
    answers = itertools.chain([500, 200], itertools.repeat(200))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        posts.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {next(answers)} X\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    push = Push([f"json://127.0.0.1:{port}/chat?cto=60&rto=60"])
    async with office.database.transaction() as unit:
        await set_channels(unit, ["mail", "push"])
    sender = Sender(database=office.database, channel=push, retry_after=SCHEDULE)
    await office.empty("a")
    await send_all(sender)
    [waiting] = [one for one in await office.log() if one.channel == "push"]
    office.clock.advance(minutes=1)
    await send_all(sender)
    server.close()

    [sent] = [one for one in await office.log() if one.channel == "push"]
    assert (waiting.status, sent.status, len(posts)) == ("pending", "sent", 2)
    assert posts[1]["title"] == "[critical] Pils a is empty"
    assert len(await office.log()) == 2
    await office.empty("b")
    async with office.database.transaction() as unit:
        await set_channels(unit, ["mail"])
    [closed] = await office.log(status="logged")
    assert (closed.channel, closed.error_details) == (
        "push",
        "There is no such channel any more.",
    )
