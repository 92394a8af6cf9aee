"""The reader's side of a gap: noticing that an event never came, and asking for it again.

Every few seconds a reader compares what each producer says it has told with its own inbox. Only
what the stream holds no more can be missing: the comparison waits until everything that the
stream held when the producer answered has been taken in.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import orjson
from nats.aio.client import Client

from pourline.contracts import subjects
from pourline.kit.db import Database, as_json
from pourline.kit.errors import TROUBLE, Retryable
from pourline.kit.pulse import beat
from pourline.kit.replay import AskTold, Told, ToldEvent

CHECK_S = 5.0
ANSWER_WITHIN_S = 5.0
LOOK_AGAIN_S = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a watch waits before it calls an event missing."""

    settled_s: float = 2.0
    """What was told this long ago is on the stream, or lost."""
    taken_in_s: float = 3.0
    """How long the reader may still take for what the stream holds; past it, another time."""


class GapWatch:
    """Finds events that one consumer never got, and has them told again."""

    def __init__(
        self,
        *,
        bus: Client,
        database: Database,
        stream: str,
        consumer: str,
        read: Mapping[str, Sequence[str]],
        patience: Patience = Patience(),
    ) -> None:
        """Watch `consumer` of `stream`; `read` names the subjects it reads of each producer."""
        self._bus = bus
        self._database = database
        self._stream = f"$JS.API.STREAM.INFO.{stream}"
        self._info = f"$JS.API.CONSUMER.INFO.{stream}.{consumer}"
        self._consumer = consumer
        self._read = read
        self._patience = patience

    async def run(self) -> NoReturn:
        """Look for gaps for ever; a part that is away is waited for."""
        while True:
            beat()
            for producer in self._read:
                try:
                    await self.close_gaps(producer)
                except (Retryable, *TROUBLE) as error:
                    log.info("gap_check_waits", extra={"producer": producer, "error": repr(error)})
            await asyncio.sleep(CHECK_S)

    async def close_gaps(self, producer: str) -> int:
        """Compare once with all that `producer` has told; return how many events were missing."""
        while True:
            beat()
            after = await self._confirmed(producer)
            told = await self._told(producer, after)
            if told.newest is not None and told.newest < after:
                await self._start_over(producer, after, told.newest)
                continue
            if 0 < after < told.oldest - 1:
                lost = {"producer": producer, "after_seq": after, "before_seq": told.oldest}
                log.error("events_no_longer_told", extra=lost)
            if told.through == after or not await self._took_all_in():
                return 0
            if missing := await self._missing(told.events):
                await self._ask_again(producer, missing)
                await self._confirm(producer, missing[0].seq - 1)
                return len(missing)
            await self._confirm(producer, told.through)
            if not told.more:
                return 0

    async def _told(self, producer: str, after: int) -> Told:
        asked = AskTold(
            subjects=list(self._read[producer]), after=after, settled_s=self._patience.settled_s
        )
        answer = await self._ask(subjects.told(producer), asked.model_dump_json().encode())
        return Told.model_validate_json(answer)

    async def _ask_again(self, producer: str, missing: Sequence[ToldEvent]) -> None:
        seqs = orjson.dumps([event.seq for event in missing])
        again = await self._ask(subjects.replay(producer), seqs)
        log.error(
            "events_missing",
            extra={
                "producer": producer,
                "missing": len(missing),
                "first_seq": missing[0].seq,
                "told_again": int(again),
            },
        )

    async def _took_all_in(self) -> bool:
        """Return whether the consumer has passed what the stream holds now, waiting a little."""
        newest = orjson.loads(await self._ask(self._stream))["state"]["last_seq"]
        looks = 1 + int(self._patience.taken_in_s / LOOK_AGAIN_S)
        for look in range(looks):
            await asyncio.sleep(LOOK_AGAIN_S if look else 0)
            info = orjson.loads(await self._ask(self._info))
            if info["num_pending"] == info["num_ack_pending"] == 0:
                return True
            if info["ack_floor"]["stream_seq"] >= newest:
                return True
        return False

    async def _ask(self, subject: str, body: bytes = b"") -> bytes:
        answer = (await self._bus.request(subject, body, timeout=ANSWER_WITHIN_S)).data
        if b'"error"' in answer[:200]:
            raise Retryable(answer[:200].decode())
        return answer

    async def _missing(self, events: Sequence[ToldEvent]) -> list[ToldEvent]:
        """Return those of `events` that are neither in the inbox nor set aside."""
        async with self._database.transaction() as unit:
            rows = await unit.all(
                """
                SELECT seq, msg_id::text FROM json_to_recordset(%(told)s)
                    AS told (seq bigint, msg_id uuid)
                WHERE NOT EXISTS (SELECT FROM inbox
                    WHERE consumer = %(consumer)s AND inbox.msg_id = told.msg_id)
                AND NOT EXISTS (SELECT FROM dead_letter
                    WHERE consumer = %(consumer)s AND headers->>'Nats-Msg-Id' = told.msg_id::text)
                ORDER BY seq
                """,
                {
                    "told": as_json([event._asdict() for event in events]),
                    "consumer": self._consumer,
                },
            )
        return [ToldEvent(**row) for row in rows]

    async def _confirmed(self, producer: str) -> int:
        async with self._database.transaction() as unit:
            row = await unit.maybe(
                "SELECT seq FROM inbox_confirmed WHERE consumer = %s AND producer = %s",
                (self._consumer, self._source(producer)),
            )
        return int(row["seq"]) if row else 0

    async def _confirm(self, producer: str, seq: int) -> None:
        """Remember that nothing up to `seq` is missing."""
        async with self._database.transaction() as unit:
            await unit.execute(
                """
                INSERT INTO inbox_confirmed (consumer, producer, seq) VALUES (%s, %s, %s)
                ON CONFLICT (consumer, producer)
                DO UPDATE SET seq = greatest(inbox_confirmed.seq, excluded.seq)
                """,
                (self._consumer, self._source(producer), seq),
            )

    async def _start_over(self, producer: str, after: int, newest: int) -> None:
        """Forget what was confirmed: numbers are given anew, to other events than those."""
        log.error(
            "producer_went_back", extra={"producer": producer, "from_seq": after, "to_seq": newest}
        )
        async with self._database.transaction() as unit:
            await unit.execute(
                "DELETE FROM inbox_confirmed WHERE consumer = %s AND producer = %s",
                (self._consumer, self._source(producer)),
            )

    def _source(self, producer: str) -> str:
        """Return what was confirmed: a version that reads other events looks at them all anew."""
        return f"{producer}: {' '.join(sorted(self._read[producer]))}"
