"""The producer's side of a gap: which events were told, and telling them again from the outbox."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import BaseModel

from pourline.contracts import subjects
from pourline.kit.db import Database, UnitOfWork

TOLD_DAYS = 14
"""How long an event can be told again. A reader remembers twice as long what it took in."""
WINDOW = 1000
"""Numbers looked at in one answer: 50 bytes each stay below the bus's 64 KiB."""


class AskTold(BaseModel):
    """Which events of `subjects` were told after number `after`, at least `settled_s` ago."""

    subjects: list[str]
    after: int
    settled_s: float


class ToldEvent(NamedTuple):
    """An event that was told: its number at the producer and its id."""

    seq: int
    msg_id: str


class Told(BaseModel):
    """Every event asked for with `after` < number <= `through`; `more` may be asked for at once.

    Numbers were given up to `newest`, and those below `oldest` are kept no more.
    """

    through: int
    more: bool
    events: list[ToldEvent]
    newest: int | None = None
    oldest: int = 0


class Retelling:
    """Answers readers of one service's events that look for gaps."""

    def __init__(self, *, bus: Client, service: str, database: Database) -> None:
        self._bus = bus
        self._service = service
        self._database = database

    async def start(self) -> None:
        """Begin to answer; trouble leaves the asker without an answer, and it asks again."""
        for subject, answer in (
            (subjects.told(self._service), self._told),
            (subjects.replay(self._service), self._replay),
        ):
            await self._bus.subscribe(subject, queue=self._service, cb=answer)

    async def _told(self, request: Msg) -> None:
        asked = AskTold.model_validate_json(request.data)
        async with self._database.transaction() as unit:
            told = await told_after(unit, asked)
        await request.respond(told.model_dump_json().encode())

    async def _replay(self, request: Msg) -> None:
        async with self._database.transaction() as unit:
            again = await tell_again(unit, orjson.loads(request.data))
        await request.respond(str(again).encode())


async def told_after(unit: UnitOfWork, asked: AskTold) -> Told:
    """Return what was told, up to the first event that is still on its way."""
    window = {"after": asked.after, "until": asked.after + WINDOW, "settled_s": asked.settled_s}
    row = await unit.one(
        """
        SELECT coalesce(max(seq), %(after)s) AS newest, coalesce(min(seq) FILTER (
            WHERE published_at IS NULL
               OR published_at > clock_timestamp() - make_interval(secs => %(settled_s)s)
        ) - 1, max(seq), %(after)s) AS through
        FROM outbox WHERE seq > %(after)s AND seq <= greatest(%(until)s,
            (SELECT min(seq) - 1 + %(until)s - %(after)s FROM outbox))
        """,
        window,
    )
    rows = await unit.all(
        """
        SELECT seq, msg_id::text FROM outbox
        WHERE seq > %s AND seq <= %s AND subject = ANY(%s)
          AND created_at > clock_timestamp() - make_interval(days => %s)
        ORDER BY seq
        """,
        (asked.after, row["through"], asked.subjects, TOLD_DAYS),
    )
    kept = await unit.one(
        """
        SELECT (SELECT value FROM outbox_counter) AS newest,
            (SELECT coalesce(min(seq), 0) FROM outbox) AS oldest
        """
    )
    return Told(
        through=row["through"],
        more=row["through"] == row["newest"] >= window["until"],
        events=[ToldEvent(one["seq"], one["msg_id"]) for one in rows],
        newest=kept["newest"],
        oldest=kept["oldest"],
    )


async def tell_again(unit: UnitOfWork, seqs: Sequence[int]) -> int:
    """Have the relay publish the events of these numbers once more; return how many it will."""
    return await unit.count(
        """
        WITH again AS (
            UPDATE outbox SET published_at = NULL
            WHERE seq = ANY(%s) AND published_at IS NOT NULL RETURNING id
        ) SELECT pg_notify('outbox', '') FROM again
        """,
        (list(seqs),),
    )
