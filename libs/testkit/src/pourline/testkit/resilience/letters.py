"""Mail while the server misbehaves and whoever sends is killed: two instances of alerts, one bar.

The bar's own instance and a second one, `pourline serve alerts`, share a database. What the mail
server heard and what the two logs say make one table.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.mailbox import Mailbox, Mood, run_mailbox
from pourline.testkit.until import until

RETRY_MINUTES = (0.05, 0.1, 0.15)
MISBEHAVES = (Mood.GREYLISTS, Mood.REFUSES, Mood.HALF_CLOSES, Mood.HANGS)
WITHIN_S = 60.0
TAKEOVER_WITHIN_S = 20.0
RECIPIENT = "staff@example.org"
TRIED, LEADS = "notification_tried", "sender_leads"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Something that happened: when, where, and what."""

    at: datetime
    where: str
    what: str


@dataclass(kw_only=True)
class Letters:
    """What became of the mails of a run."""

    named: list[str] = field(default_factory=list)
    mails: list[tuple[str, str]] = field(default_factory=list)
    """Message-ID and text of each mail that the server took."""
    given: list[tuple[str, str]] = field(default_factory=list)
    """The same of each mail whose bytes it had, taken or not."""
    statuses: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    takeovers_s: list[float] = field(default_factory=list)

    def ids_about(self, name: str) -> set[str]:
        """Return the Message-IDs of the mails that the server took about something."""
        return {key for key, text in self.mails if name in text}

    @property
    def lost(self) -> list[str]:
        """What no mail tells of."""
        return [name for name in self.named if not self.ids_about(name)]

    @property
    def doubled(self) -> list[str]:
        """What mails under different Message-IDs tell of: no reader could drop one of them."""
        return [name for name in self.named if len(self.ids_about(name)) > 1]


class Senders:
    """The two instances that may send, and which of them does."""

    def __init__(self, bar: RunningBar, folder: Path) -> None:
        self._bar = bar
        self._logs = {
            "first": bar.data_dir / "log" / "alerts.log",
            "second": folder / "second-alerts.log",
        }
        self._second: asyncio.subprocess.Process | None = None

    async def start_second(self) -> psutil.Process:
        """Start the instance beside the bar's own and return its process."""
        self._second = await self._bar.start_another("alerts", log=self._logs["second"])
        return psutil.Process(self._second.pid)

    async def stop(self) -> None:
        """End the second; the bar ends its own."""
        if self._second and self._second.returncode is None:
            self._second.terminate()
            await self._second.wait()

    def said(self, *events: str) -> list[tuple[datetime, str, dict[str, Any]]]:
        """Return lines of both logs in order of time, each with whose it is."""
        lines = [
            (name, json.loads(line))
            for name, path in self._logs.items()
            for line in _whole_lines(path)
            if line.startswith("{")
        ]
        told = [
            (datetime.fromisoformat(said["at"]), name, said)
            for name, said in lines
            if said["event"] in events
        ]
        return sorted(told, key=lambda one: one[0])

    async def leader(
        self, *, since: datetime | None = None, within_s: float = TAKEOVER_WITHIN_S
    ) -> str:
        """Return who sends, having become so after `since`."""

        async def leads() -> list[tuple[datetime, str]]:
            return [(at, name) for at, name, _ in self.said(LEADS) if since is None or at > since]

        return (await until(leads, within_s=within_s))[-1][1]

    async def kill_leader(self, letters: Letters) -> str:
        """Kill who sends with signal 9, wait until one of them sends again, and return its name."""
        told = self.said(LEADS)[-1]
        dying = told[1]
        begun = asyncio.get_running_loop().time()
        if dying == "first":
            psutil.Process(self._bar.process_of("alerts").pid).kill()
        else:
            assert self._second is not None
            self._second.kill()
            await self._second.wait()
        successor = await self.leader(since=told[0])
        letters.takeovers_s.append(asyncio.get_running_loop().time() - begun)
        if dying == "second":
            await self.start_second()
        return successor


async def write_letters(folder: Path, *, kills: int = 4) -> Letters:
    """Let a bar write to a server in each of its moods, then kill who sends, `kills` times."""
    letters = Letters()
    async with run_mailbox() as mailbox:
        environment = {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port),
            "ADMIN_NOTIFICATION_EMAILS": RECIPIENT,
            "NOTIFICATION_RETRY_MINUTES": ",".join(map(str, RETRY_MINUTES)),
        }
        async with run_bar(folder / "bar", environment) as bar:
            senders = Senders(bar, folder)
            await senders.leader()
            await senders.start_second()
            try:
                await _play(bar, mailbox, senders, letters, kills)
            finally:
                await senders.stop()
            await bar.ready()  # the bar's own may have died last
            rows = await until(lambda: bar.walk("/api/notifications"), _all_sent, within_s=WITHIN_S)
            await bar.verified()
    letters.statuses = [one["status"] for one in rows]
    letters.mails = [(str(one["Message-ID"]), one.get_content()) for one in mailbox.mails]
    letters.given = [(str(one["Message-ID"]), one.get_content()) for one in mailbox.given]
    letters.lines = sorted([*_heard(mailbox), *_tried(senders)], key=lambda one: one.at)
    return letters


def _all_sent(rows: list[dict[str, Any]]) -> bool:
    return {one["status"] for one in rows} == {"sent"}


async def _play(
    bar: RunningBar, mailbox: Mailbox, senders: Senders, letters: Letters, kills: int
) -> None:
    await _low(bar, letters, "Gin, taken")
    await _all_told(mailbox, letters)
    for mood in MISBEHAVES:
        mailbox.mood = mood
        before = _in_vain(senders)
        await _low(bar, letters, f"Rum, {mood.value}")
        await until(lambda: _more_in_vain(senders, before), within_s=WITHIN_S)  # noqa: B023
        mailbox.mood = Mood.TAKES
        await _all_told(mailbox, letters)
    for number in range(kills):
        # The server has the mail and does not say so when its sender dies: the hardest moment.
        mailbox.mood = Mood.HANGS
        had = len(mailbox.given)
        await _low(bar, letters, f"Whisky, sender killed {number + 1}")
        await until(lambda: _was_given(mailbox, had), within_s=WITHIN_S)  # noqa: B023
        mailbox.mood = Mood.TAKES
        await senders.kill_leader(letters)
        await bar.ready()
        await _low(bar, letters, f"Vodka, after kill {number + 1}")
        await _all_told(mailbox, letters)


async def _low(bar: RunningBar, letters: Letters, name: str) -> None:
    """Let an item fall below its threshold."""
    item = await bar.post("/api/items", name=name, unit="each", low_stock_threshold=5)
    await bar.post("/api/stock/receipts", item_id=item["id"], quantity=6)
    await bar.post(f"/api/inventory/{item['id']}/adjust", delta=-2, reason="broken")
    letters.named.append(name)


async def _all_told(mailbox: Mailbox, letters: Letters) -> None:
    async def silent() -> list[str]:
        texts = [one.get_content() for one in mailbox.mails]
        return [name for name in letters.named if not any(name in text for text in texts)]

    await until(silent, lambda names: not names, within_s=WITHIN_S)


def _whole_lines(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()  # the last may be half written


def _in_vain(senders: Senders) -> int:
    return sum(said["status"] == "pending" for _, _, said in senders.said(TRIED))


async def _more_in_vain(senders: Senders, before: int) -> bool:
    return _in_vain(senders) > before


async def _was_given(mailbox: Mailbox, before: int) -> bool:
    return len(mailbox.given) > before


def _heard(mailbox: Mailbox) -> Iterable[Line]:
    for at, what in mailbox.said:
        yield Line(at=at, where="mail server", what=what)


def _tried(senders: Senders) -> Iterable[Line]:
    for at, name, said in senders.said(TRIED, LEADS):
        what = "sends from now on"
        if said["event"] == TRIED:
            why = f": {said['error']}" if said.get("error") else ""
            what = f"try {said['attempt']} of {said['notification'][-12:]} → {said['status']}{why}"
        yield Line(at=at, where=f"alerts, {name}", what=what)


def page(letters: Letters) -> str:
    """Return a run as a page: what came of it, and its log."""
    begun = letters.lines[0].at
    again = len(letters.given) - len({key for key, _ in letters.given})
    takeovers = ", ".join(f"{one:.1f}" for one in letters.takeovers_s)
    head = f"""# The mail log of a run

Made by `make mail-log`; nothing here is written by hand. Two instances of alerts share a database
and a mail server misbehaves. Tries come after {_seconds()} s here instead of the usual 1, 5 and 15
minutes. Then whoever sends is killed with signal 9 while the server has a mail's bytes and has not
answered, {len(letters.takeovers_s)} times.

| alerts raised | mails lost | told under two ids | bytes given again, same id | takeover, s |
|---|---|---|---|---|
| {len(letters.named)} | {len(letters.lost)} | {len(letters.doubled)} | {again} | {takeovers} |

A mail is known by its `Message-ID`, made of its row: what was given again after a death or a
silence has the id it had, by which mail programs drop the second. Only a mail server that says
whether it took a mail could do better (RFC 5321, 4.1.1.4 and 6.1).

| s | who | what |
|---|---|---|
"""
    rows = [
        f"| {(one.at - begun) / timedelta(seconds=1):.1f} | {one.where} | {one.what} |"
        for one in letters.lines
    ]
    return head + "\n".join(rows) + "\n"


def _seconds() -> str:
    return ", ".join(f"{one * 60:.0f}" for one in RETRY_MINUTES)
