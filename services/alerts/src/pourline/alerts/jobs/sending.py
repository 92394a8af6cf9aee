"""The sender: one a channel leads among all instances.

A try is recorded after it was made: what a crash hides is sent again, with the same id.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn, Protocol
from zlib import crc32

from pourline.alerts.domain.letters import subject_of, text_of
from pourline.alerts.domain.notices import Occasion, Outcome
from pourline.alerts.errors import NotDelivered
from pourline.alerts.handlers.notifications import due, record
from pourline.kit.db import Database, Row
from pourline.kit.errors import TROUBLE
from pourline.kit.leading import Connection, Lead, still_leads
from pourline.kit.pulse import beat

POLL_S = 1.0
RETRY_S = 0.5
LEADER_IDLE_MAX_MS = 30_000
"""Longer than a try may take; a sender that stands still for so long is none any more."""
TRY_WITHIN_S = 15.0
LOCK_CLASS = 0xA1A3
"""Advisory locks of senders, by channel; each service has a database of its own."""

log = logging.getLogger(__name__)


class Channel(Protocol):
    """A way to people."""

    name: str

    async def send(
        self, *, key: str, subject: str, text: str, recipients: Sequence[str]
    ) -> Sequence[str]:
        """Hand one over and return who has it now; raises `NotDelivered`.

        `key` is the same for each try of one notification; `recipients` are those who do not
        have it yet.
        """
        ...

    def recipients(self, configured: Sequence[str]) -> Sequence[str]:
        """Return whom this way reaches, the configured addresses where it takes them."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether there is such a way here; else notifications are written to the log."""
        ...


class Sender:
    """Sends one channel's notifications as long as nobody else does."""

    def __init__(
        self, *, database: Database, channel: Channel, retry_after: Sequence[timedelta]
    ) -> None:
        self._database = database
        self._channel = channel
        key = LOCK_CLASS << 32 | crc32(channel.name.encode())
        self._lead = Lead(url=database.url, key=key, idle_max_ms=LEADER_IDLE_MAX_MS)
        self._retry_after = retry_after
        self._wake = asyncio.Event()
        self.leads = False

    def wake(self) -> None:
        """Look now: something was queued."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Lead whenever nobody else does, for ever."""
        while True:
            beat()
            try:
                async with self._lead.taken() as connection:
                    await self._send(connection)
            except TROUBLE as error:
                log.warning("sending_interrupted", extra={"error": repr(error)})
                await asyncio.sleep(RETRY_S)
            finally:
                self.leads = False

    async def _send(self, connection: Connection) -> NoReturn:
        self.leads = True
        log.info("sender_leads", extra={"channel": self._channel.name})
        while True:
            beat()
            await still_leads(connection)
            if not await self.send_one():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._wake.wait()
            self._wake.clear()

    async def send_one(self) -> bool:
        """Send the first that is due, if any is; return whether there was one.

        One at a time, so that who is written to and what is merged is what holds now.
        """
        async with self._database.transaction() as unit:
            rows, configured = await due(unit, channel=self._channel.name)
        if not rows:
            return False
        row = rows[0]
        outcome = await self._try(row, configured)
        async with self._database.transaction() as unit:
            status = await record(unit, row, outcome, retry_after=self._retry_after)
        log.log(
            logging.WARNING if outcome.error else logging.INFO,
            "notification_tried",
            extra={
                "notification": str(row["id"]),
                "channel": self._channel.name,
                "status": status.value,
                "attempt": row["attempt_count"] + 1,
                "error": outcome.error,
            },
        )
        return True

    async def _try(self, row: Row, configured: Sequence[str]) -> Outcome:
        occasion, payload = Occasion(row["type"]), row["payload"]
        subject = subject_of(occasion, payload)
        everybody = self._channel.recipients(configured)
        if not self._channel.is_open or not everybody:
            why = None if not self._channel.is_open else "There is nobody to write to."
            log.info("notification_logged", extra={"subject": subject, "payload": payload})
            return Outcome(error=why, logged=True, recipients=everybody)
        had = [one for one in row["delivered_to"] if one in everybody]
        missing = [one for one in everybody if one not in had]
        try:
            async with asyncio.timeout(TRY_WITHIN_S):
                now = await self._channel.send(
                    key=str(row["id"]),
                    subject=subject,
                    text=text_of(occasion, payload),
                    recipients=missing or everybody,
                )
        except NotDelivered as refused:
            had += refused.delivered_to
            return Outcome(error=refused.detail, recipients=everybody, delivered_to=had)
        except TimeoutError:
            return Outcome(error="No answer in time.", recipients=everybody, delivered_to=had)
        return Outcome(recipients=everybody, delivered_to=[*had, *now])
