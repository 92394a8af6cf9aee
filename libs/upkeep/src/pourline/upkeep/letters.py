"""One service's dead letters, to look at and to hand to their reader again."""

import logging
import re
from collections.abc import Mapping
from typing import Any

import orjson

from pourline.contracts.base import Listing
from pourline.contracts.upkeep import (
    CloseDeadLetter,
    DeadLetter,
    ListDeadLetters,
    ReplayDeadLetter,
)
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import Delivery, NotFound, Rejected, outcome_of
from pourline.kit.nats.consumer import Handle, Message
from pourline.kit.nats.requests import Context

log = logging.getLogger(__name__)

PAYLOAD_SHOWN = 500
REASON_SHOWN = 200
MASK = "***"
TOLD_AS_KEPT = (
    *("id", "consumer", "subject", "deliveries", "received_at", "at"),
    *("replayed_at", "closed_at", "closed_by", "closed_because"),
)
NUMBER = re.compile("[0-9]{1,18}")
_SECRET = re.compile(r"secret|password|token|signature|seed|\bpin\b", re.IGNORECASE)
"""A name that says that its value is nobody's business."""
_SECRET_OR_ESCAPE = re.compile(rf"{_SECRET.pattern}|\\u", re.IGNORECASE)
"""In a broken message an escape may hide such a name."""
_BEARER = re.compile(r"(bearer\s+)[^\s\"]+", re.IGNORECASE)


class FailedAgain(Rejected):
    """The message still cannot be handled."""

    code = "failed_again"


class AlreadyReplayed(Rejected):
    """The dead letter was replayed before."""

    code = "already_replayed"


class AlreadyClosed(Rejected):
    """The dead letter was closed before."""

    code = "already_closed"


class NoReader(Rejected):
    """Nobody reads what this message was for any more."""

    code = "no_reader"


class Letters:
    """Answers about one service's dead letters, hands one to its reader again, or closes it.

    To the reader that failed and to nobody else: who took the message in then needs no repeat.
    Nothing is ever thrown away: a closed letter is kept, and can still be handed again.
    """

    def __init__(self, *, database: Database, readers: Mapping[str, Handle]) -> None:
        self._database = database
        self._readers = readers

    async def list_waiting(
        self, query: ListDeadLetters, unit: UnitOfWork, context: Context
    ) -> Listing[DeadLetter]:
        """Return the letters that wait, or the closed ones, oldest first."""
        del context
        rows = await unit.all(
            """
            SELECT * FROM dead_letter
            WHERE replayed_at IS NULL AND (closed_at IS NOT NULL) = %s AND id > %s
            ORDER BY id LIMIT %s
            """,
            (query.closed, int(query.cursor or 0), query.limit + 1),
        )
        page = [self._told(row) for row in rows[: query.limit]]
        more = len(rows) > query.limit
        return Listing[DeadLetter](items=page, next=str(page[-1].id) if more else None)

    async def hand_again(self, command: ReplayDeadLetter, context: Context) -> None:
        """Hand a letter to its reader, outside of any transaction of ours.

        Raises `NotFound`, `AlreadyReplayed`, `NoReader`, `FailedAgain`, or what trouble raises.
        """
        del context
        async with self._database.transaction() as unit:
            row = await _find(unit, command)
            newest = await unit.one("SELECT max(id) AS id FROM dead_letter")
        if row["replayed_at"] is not None:
            raise AlreadyReplayed
        if (handle := self._readers.get(row["consumer"])) is None:
            raise NoReader
        message = Message(
            subject=row["subject"],
            data=bytes(row["payload"]),
            headers=row["headers"],
            received_at=row["received_at"],
            sequence=0,  # older than whatever came since
            deliveries=row["deliveries"],
        )
        try:
            await handle([message])
        except Exception as error:
            outcome = outcome_of(error)
            if outcome.delivery is Delivery.RETRY:
                raise
            log.log(outcome.log_level, "dead_letter_failed_again", exc_info=error)
            raise FailedAgain(f"It failed again: {outcome.detail}") from error
        if reason := await self._set_aside_again(row, after=newest["id"]):
            raise FailedAgain(f"It failed again: {reason}")

    async def _set_aside_again(self, row: Mapping[str, Any], *, after: int) -> str | None:
        """Return why a reader that sets aside by itself did so again; the letter stays the one."""
        async with self._database.transaction() as unit:
            again = await unit.all(
                """
                DELETE FROM dead_letter
                WHERE id > %(after)s AND replayed_at IS NULL AND closed_at IS NULL
                  AND consumer = %(consumer)s AND subject = %(subject)s
                  AND payload = %(payload)s AND headers = %(headers)s
                RETURNING reason
                """,
                dict(row) | {"headers": orjson.dumps(row["headers"]).decode(), "after": after},
            )
        return again[0]["reason"] if again else None

    async def settle(
        self, command: ReplayDeadLetter, unit: UnitOfWork, context: Context
    ) -> DeadLetter:
        """Note that a letter was replayed; a replay that is broken off before may be repeated."""
        del context
        await unit.execute(
            "UPDATE dead_letter SET replayed_at = %s WHERE id = %s AND replayed_at IS NULL",
            (unit.clock.now(), int(command.letter_id)),
        )
        return self._told(await _find(unit, command))

    async def close(
        self, command: CloseDeadLetter, unit: UnitOfWork, context: Context
    ) -> DeadLetter:
        """Let a letter wait no longer, for a reason that is kept with it.

        Raises `NotFound`, `AlreadyReplayed`, `AlreadyClosed`.
        """
        count = await unit.count(
            """
            UPDATE dead_letter SET closed_at = %s, closed_by = %s, closed_because = %s
            WHERE id = %s AND replayed_at IS NULL AND closed_at IS NULL
            """,
            (unit.clock.now(), context.actor, command.reason, int(command.letter_id)),
        )
        row = await _find(unit, command)
        if count == 0:
            raise AlreadyReplayed if row["replayed_at"] else AlreadyClosed
        return self._told(row)

    async def exists(self, fields: Mapping[str, Any], unit: UnitOfWork) -> bool:
        """Say whether there is the letter that a malformed closing names."""
        number = str(fields.get("letter_id"))
        if not NUMBER.fullmatch(number):
            return False
        return await unit.count("SELECT FROM dead_letter WHERE id = %s", (int(number),)) > 0

    def _told(self, row: Mapping[str, Any]) -> DeadLetter:
        payload = bytes(row["payload"])
        return DeadLetter(
            **{name: row[name] for name in TOLD_AS_KEPT},
            service=self._database.service,
            reason=row["reason"][:REASON_SHOWN],
            payload=readable(payload),
            payload_bytes=len(payload),
        )


async def _find(unit: UnitOfWork, command: ReplayDeadLetter | CloseDeadLetter) -> Mapping[str, Any]:
    row = await unit.maybe("SELECT * FROM dead_letter WHERE id = %s", (int(command.letter_id),))
    if row is None:
        raise NotFound
    return row


def readable(payload: bytes, shown: int = PAYLOAD_SHOWN) -> str:
    """Return a payload's first `shown` characters for people to read, its secrets masked.

    Of a broken message nothing is shown that follows the name of a secret.
    """
    try:
        text = orjson.dumps(_masked(orjson.loads(payload))).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        text = payload.decode(errors="replace")
        if name := _SECRET_OR_ESCAPE.search(text):
            text = f"{text[: name.end()]} {MASK}"
    text = _BEARER.sub(rf"\1{MASK}", text)[:shown]
    return "".join(one if one.isprintable() else "\N{MIDDLE DOT}" for one in text)


def _masked(value: object) -> object:
    match value:
        case dict():
            return {
                name: MASK if _SECRET.search(name) else _masked(one) for name, one in value.items()
            }
        case list():
            return [_masked(one) for one in value]
        case _:
            return value
