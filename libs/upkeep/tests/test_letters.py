"""Dead letters are told with their secrets masked, and handed to their own reader again."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import orjson
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from pourline.contracts.base import Listing
from pourline.contracts.upkeep import DeadLetter, close_of, list_of, replay_of
from pourline.kit.db import Database
from pourline.kit.dead_letters import DeadLetters
from pourline.kit.errors import Malformed, Retryable
from pourline.kit.inbox import Inbox
from pourline.kit.nats import Caller, Message, Responder
from pourline.kit.nats.requests import Refused
from pourline.upkeep.letters import REASON_SHOWN, Letters, readable

READER = "ledger--pour"
ListLetters, Replay, Close = list_of("ledger"), replay_of("ledger"), close_of("ledger")


class Reader:
    """Takes messages in, or fails as it is told to."""

    def __init__(self) -> None:
        self.took: list[Message] = []
        self.fails: Callable[[], Exception] | None = None
        self.sets_aside: DeadLetters | None = None

    async def __call__(self, messages: Sequence[Message]) -> None:
        if self.fails:
            raise self.fails()
        if self.sets_aside:
            for message in messages:
                await self.sets_aside(message, "malformed: still", 1)
        self.took += messages


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
async def caller(bus: Client, database: Database, reader: Reader) -> Caller:
    responder = Responder(
        bus=bus, service="ledger", database=database, inbox=Inbox(consumer="ledger--events")
    )
    letters = Letters(database=database, readers={READER: reader})
    responder.on(ListLetters, letters.list_waiting)
    responder.on(Replay, letters.settle, before=letters.hand_again)
    responder.on(Close, letters.close)
    await responder.start()
    return Caller(bus=bus)


async def set_aside(
    database: Database, data: bytes = b"{}", *, consumer: str = READER, reason: str = "malformed: x"
) -> None:
    message = Message(
        subject="bar.main.tap.1.pour",
        data=data,
        headers={"Nats-Msg-Id": "7"},
        received_at=datetime(2026, 5, 1, 20, tzinfo=UTC),
        sequence=41,
        deliveries=2,
    )
    await DeadLetters(database=database, consumer=consumer)(message, reason, 1)


async def waiting(caller: Caller, **fields: object) -> Listing[DeadLetter]:
    return await caller.ask(ListLetters.model_validate(fields), Listing[DeadLetter])


async def test_a_letter_is_told_with_why_and_whose_it_is(
    database: Database, caller: Caller
) -> None:
    await set_aside(database, b'{"volume_ml": "much"}')

    (letter,) = (await waiting(caller)).items

    assert (letter.service, letter.consumer, letter.subject, letter.reason, letter.deliveries) == (
        "ledger",
        READER,
        "bar.main.tap.1.pour",
        "malformed: x",
        2,
    )
    assert (letter.payload, letter.payload_bytes) == ('{"volume_ml":"much"}', 21)
    assert letter.received_at == datetime(2026, 5, 1, 20, tzinfo=UTC)


async def test_a_letter_that_is_replayed_reaches_its_reader_once_as_it_came(
    database: Database, caller: Caller, reader: Reader
) -> None:
    await set_aside(database, b'{"volume_ml": 1}')
    (letter,) = (await waiting(caller)).items

    done = await caller.ask(Replay(letter_id=str(letter.id)), DeadLetter)
    with pytest.raises(Refused) as again:
        await caller.ask(Replay(letter_id=str(letter.id)), DeadLetter)

    assert done.replayed_at is not None
    assert again.value.wire_code == "already_replayed"
    (took,) = reader.took
    assert (took.data, took.received_at, took.headers) == (
        b'{"volume_ml": 1}',
        letter.received_at,
        {"Nats-Msg-Id": "7"},
    )
    assert (await waiting(caller)).items == []


@pytest.mark.parametrize(
    ("fails", "code"),
    [
        (lambda: Malformed("still wrong"), "failed_again"),
        (lambda: KeyError("bug"), "failed_again"),
        (lambda: Retryable("database away"), "unavailable"),
        (lambda: psycopg.OperationalError("away"), "unavailable"),
    ],
)
async def test_a_letter_that_fails_again_stays_and_says_so(
    database: Database,
    caller: Caller,
    reader: Reader,
    fails: Callable[[], Exception],
    code: str,
) -> None:
    await set_aside(database)
    reader.fails = fails
    (letter,) = (await waiting(caller)).items

    with pytest.raises(Refused) as refused:
        await caller.ask(Replay(letter_id=str(letter.id)), DeadLetter)

    assert refused.value.wire_code == code
    assert [one.id for one in (await waiting(caller)).items] == [letter.id]


async def test_a_letter_that_its_reader_sets_aside_by_itself_stays_the_only_one(
    database: Database, caller: Caller, reader: Reader
) -> None:
    """Edges of devices answer and set aside what is malformed, and go on."""
    await set_aside(database)
    (letter,) = (await waiting(caller)).items
    await set_aside(database, b'{"another": 1}')
    reader.sets_aside = DeadLetters(database=database, consumer=READER)

    for _ in range(2):
        with pytest.raises(Refused, match="It failed again: malformed: still") as refused:
            await caller.ask(Replay(letter_id=str(letter.id)), DeadLetter)
        assert refused.value.wire_code == "failed_again"

    left = (await waiting(caller)).items
    assert [one.payload for one in left] == ["{}", '{"another":1}']
    assert left[0].id == letter.id


async def test_of_two_letters_of_one_message_each_is_replayed_by_itself(
    database: Database, caller: Caller, reader: Reader
) -> None:
    for _ in range(2):
        await set_aside(database, b'{"volume_ml": 1}')
    first, second = (await waiting(caller)).items

    await caller.ask(Replay(letter_id=str(first.id)), DeadLetter)

    assert [one.id for one in (await waiting(caller)).items] == [second.id]
    await caller.ask(Replay(letter_id=str(second.id)), DeadLetter)
    assert len(reader.took) == 2


async def test_a_closed_letter_waits_no_longer_and_says_since_when_by_whom_and_why(
    database: Database, caller: Caller
) -> None:
    await set_aside(database)
    await set_aside(database, b'{"another": 1}')
    letter, another = (await waiting(caller)).items

    order = Close(letter_id=str(letter.id), reason="meter changed")
    done = await caller.ask(order, DeadLetter, actor="anna")

    assert done.closed_at is not None
    assert (done.id, done.closed_by, done.closed_because) == (letter.id, "anna", "meter changed")
    assert [one.id for one in (await waiting(caller)).items] == [another.id]
    assert (await waiting(caller, closed=True)).items == [done]


async def test_a_closed_letter_is_kept_and_can_still_be_replayed(
    database: Database, caller: Caller, reader: Reader
) -> None:
    await set_aside(database, b'{"volume_ml": 1}')
    (letter,) = (await waiting(caller)).items
    await caller.ask(Close(letter_id=str(letter.id), reason="of no use"), DeadLetter)

    done = await caller.ask(Replay(letter_id=str(letter.id)), DeadLetter)

    assert [one.data for one in reader.took] == [b'{"volume_ml": 1}']
    assert done.replayed_at is not None
    assert (await waiting(caller, closed=True)).items == []


async def test_what_was_closed_stays_as_it_is_when_its_like_fails_again(
    database: Database, caller: Caller, reader: Reader
) -> None:
    for _ in range(2):
        await set_aside(database)
    first, second = (await waiting(caller)).items
    await caller.ask(Close(letter_id=str(second.id), reason="the same again"), DeadLetter)
    reader.sets_aside = DeadLetters(database=database, consumer=READER)

    with pytest.raises(Refused, match="It failed again"):
        await caller.ask(Replay(letter_id=str(first.id)), DeadLetter)

    assert [one.id for one in (await waiting(caller)).items] == [first.id]
    assert [one.id for one in (await waiting(caller, closed=True)).items] == [second.id]


async def test_what_is_settled_cannot_be_closed(database: Database, caller: Caller) -> None:
    for _ in range(2):
        await set_aside(database)
    closed, replayed = (await waiting(caller)).items
    await caller.ask(Close(letter_id=str(closed.id), reason="first"), DeadLetter)
    await caller.ask(Replay(letter_id=str(replayed.id)), DeadLetter)

    for number, code in (
        (closed.id, "already_closed"),
        (replayed.id, "already_replayed"),
        (replayed.id + 1, "not_found"),
    ):
        with pytest.raises(Refused) as refused:
            await caller.ask(Close(letter_id=str(number), reason="second"), DeadLetter)
        assert refused.value.wire_code == code

    (kept,) = (await waiting(caller, closed=True)).items
    assert kept.closed_because == "first"


async def test_what_nobody_reads_and_what_nobody_has_are_refused(
    database: Database, caller: Caller
) -> None:
    await set_aside(database, consumer="ledger--gone")
    (letter,) = (await waiting(caller)).items

    for number, code in ((letter.id, "no_reader"), (letter.id + 1, "not_found")):
        with pytest.raises(Refused) as refused:
            await caller.ask(Replay(letter_id=str(number)), DeadLetter)
        assert refused.value.wire_code == code


async def test_pages_follow_each_other_and_fit_the_bus_at_their_worst(
    database: Database, caller: Caller
) -> None:
    for _ in range(17):
        await set_aside(database, ('"' + "\N{BEER MUG}" * 15_000).encode(), reason='\\"' * 5_000)

    first = await waiting(caller)
    second = await waiting(caller, cursor=first.next)

    assert [len(first.items), len(second.items), second.next] == [15, 2, None]
    assert len(first.items[0].reason) == REASON_SHOWN
    assert len(first.wire()) < 65_536
    for one in first.items:
        order = Close(letter_id=str(one.id), reason="\N{BEER MUG}" * 120)
        await caller.ask(order, DeadLetter, actor="\N{CLINKING BEER MUGS}" * 120)
    assert len((await waiting(caller, closed=True)).wire()) < 65_536


@pytest.mark.parametrize(
    "payload",
    [
        b'{"secret": "hunter2"}',
        b'{"deep": [{"newPassword":"hunter2"}]}',
        b'{"s\\u0065cret": "hunter2"}',
        b'{"signature": "a\\"hunter2"}',
        b'{"pin": "hunter2", "token": 5',
        b'{"pin": "hunter2',
        b'{"access_token":hunter2}',
        b'{"secrets": ["hunter2"]}',
        b'{"secret": {"value": "hunter2"}}',
        b'["Bearer hunter2"]',
        b'{"s\\u0065cret": "hunter2"',
    ],
)
def test_a_secret_is_never_shown(payload: bytes) -> None:
    assert "hunter2" not in readable(payload)


def test_what_is_no_secret_is_shown() -> None:
    payload = b'{"shipping":"no","pinned":true,"card_uid":"04a1b2c3","volume_ml":300}'

    assert readable(payload) == payload.decode()


@given(st.binary(max_size=600))
def test_whatever_was_sent_can_be_read(payload: bytes) -> None:
    text = readable(payload)

    assert len(text) <= 500
    assert text.isprintable()
    assert orjson.loads(orjson.dumps(text)) == text
