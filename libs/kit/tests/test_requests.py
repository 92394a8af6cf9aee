"""Commands and queries: answers, problems with stable codes, and one answer a key."""

import asyncio
import itertools
import os
import time
from functools import partial
from typing import Any

import orjson
import pytest
from nats.aio.client import Client
from pourline.contracts.base import Message as Contract
from pourline.contracts.guests import CreateGuest, CutOff, GetGuest, GetVisit, VerifyAge
from pourline.contracts.money import TopUp
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import NotFound, Retryable
from pourline.kit.inbox import Inbox
from pourline.kit.nats import Caller, Context, Responder
from pourline.kit.nats.requests import IN_FLIGHT_MAX, Refused
from pourline.testkit.until import until

WAIT_S = 0.1


class Named(Contract):
    name: str


async def create(order: CreateGuest, unit: UnitOfWork, context: Context) -> Named:
    await unit.execute("INSERT INTO note (text) VALUES (%s)", (f"{order.name} by {context.actor}",))
    return Named(name=order.name)


async def get(query: GetGuest, unit: UnitOfWork, context: Context) -> Named:
    raise NotFound(f"There is no {query.guest_id}.", guest_id=query.guest_id)


async def verify(order: VerifyAge, unit: UnitOfWork, context: Context) -> Named:
    return Named(name=order.guest_id)


async def long(query: GetVisit, unit: UnitOfWork, context: Context) -> Named:
    if query.visit_id == "noise":
        return Named(name=os.urandom(100_000).hex())
    return Named(name="x" * int(query.visit_id))


HELD = itertools.cycle((("0", "1"), ("1", "0")))


async def swap(order: CutOff, unit: UnitOfWork, context: Context) -> Named:
    """Lock two rows in the one order, then in the other."""
    for text in next(HELD):
        await unit.execute("SELECT FROM note WHERE text = %s FOR UPDATE", (text,))
        await asyncio.sleep(0.05)
    return Named(name=order.visit_id)


class Slow:
    """A handler that has begun, and goes on once it may."""

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self, order: TopUp, unit: UnitOfWork, context: Context) -> Named:
        self.begun.set()
        await self.may_end.wait()
        return Named(name=order.guest_id)


async def exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    return bool(raw.get("guest_id") == "known")


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
async def responder(database: Database, bus: Client, slow: Slow) -> Responder:
    responder = Responder(
        bus=bus, service="auth-lock", database=database, inbox=Inbox(consumer="auth-lock--events")
    )
    responder.on(CreateGuest, create)
    responder.on(GetGuest, get)
    responder.on(VerifyAge, verify, exists=exists)
    responder.on(CutOff, swap)
    responder.on(GetVisit, long)
    responder.on(TopUp, slow)
    await responder.start()
    return responder


@pytest.fixture
def caller(responder: Responder, bus: Client) -> Caller:
    del responder
    return Caller(bus=bus)


async def send(
    caller: Caller, model: type[Any], body: object, **headers: str
) -> tuple[int, dict[str, Any]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, answer, _ = await caller.send(model.subject(), orjson.dumps(body), headers=named)
    return status, orjson.loads(answer)


@pytest.mark.usefixtures("responder")
async def test_an_owner_is_not_silent_while_the_whole_process_stands_still(bus: Client) -> None:
    asking = asyncio.create_task(
        Caller(bus=bus, wait_s=WAIT_S).ask(VerifyAge(guest_id="ada"), Named)
    )
    asyncio.get_running_loop().call_soon(time.sleep, 20 * WAIT_S)

    assert (await asking).name == "ada"


async def test_a_standstill_in_the_middle_of_the_wait_takes_no_time_from_the_owner(
    responder: Responder, bus: Client, slow: Slow
) -> None:
    del responder
    wait_s = 10 * WAIT_S
    asking = asyncio.create_task(
        Caller(bus=bus, wait_s=wait_s).ask(TopUp(guest_id="ada", amount=5), Named)
    )
    await slow.begun.wait()
    time.sleep(0.9 * wait_s)  # noqa: ASYNC251 - the standstill itself

    asyncio.get_running_loop().call_later(0.5 * wait_s, slow.may_end.set)

    assert (await asking).name == "ada"


async def lets_in(caller: Caller) -> bool:
    try:
        await caller.ask(VerifyAge(guest_id="bob"), Named)
    except Retryable:
        return False
    return True


async def test_what_a_service_took_is_answered_before_it_stops_and_nothing_is_taken_after(
    caller: Caller, responder: Responder, slow: Slow
) -> None:
    asking = asyncio.create_task(caller.ask(TopUp(guest_id="ada", amount=5), Named))
    await slow.begun.wait()

    finishing = asyncio.create_task(responder.finish())
    await until(partial(lets_in, caller), lambda open_: not open_)
    assert not finishing.done()
    slow.may_end.set()

    assert (await asking).name == "ada"
    await finishing


async def test_a_command_is_answered_by_its_owner(caller: Caller) -> None:
    assert await caller.ask(CreateGuest(name="Ada"), Named) == Named(name="Ada")


async def test_a_refusal_travels_with_its_code_and_its_facts(caller: Caller) -> None:
    status, problem = await send(caller, GetGuest, {"guest_id": "7"})

    assert (status, problem["code"], problem["guest_id"]) == (404, "not_found", "7")
    with pytest.raises(Refused) as refused:
        await caller.ask(GetGuest(guest_id="7"), Named)
    assert refused.value.wire_code == "not_found"


async def test_a_malformed_command_is_refused_with_the_field(caller: Caller) -> None:
    status, problem = await send(caller, CreateGuest, {"name": 7})

    assert (status, problem["code"]) == (422, "malformed")
    assert problem["detail"].startswith("name: ")


async def test_what_is_unknown_is_told_before_what_is_malformed(caller: Caller) -> None:
    broken = {"Pourline_Malformed": "the body is not JSON"}

    assert (await send(caller, VerifyAge, {"guest_id": "known"}, **broken))[0] == 422
    assert (await send(caller, VerifyAge, {"guest_id": "unknown"}, **broken))[0] == 404


async def test_the_same_key_and_body_gives_the_first_answer_again(
    caller: Caller, database: Database
) -> None:
    first = await send(caller, CreateGuest, {"name": "Ada"}, Idempotency_Key="k")
    again = await send(caller, CreateGuest, {"name": "Ada"}, Idempotency_Key="k")

    assert first == again == (200, {"name": "Ada"})
    async with database.transaction() as unit:
        assert len(await unit.all("SELECT 1 FROM note")) == 1


async def test_the_same_key_with_another_body_is_refused(caller: Caller) -> None:
    await send(caller, CreateGuest, {"name": "Ada"}, Idempotency_Key="k")

    status, problem = await send(caller, CreateGuest, {"name": "Bob"}, Idempotency_Key="k")

    assert (status, problem["code"]) == (422, "idempotency_key_reused")


async def test_commands_that_meet_head_on_are_all_done(caller: Caller, database: Database) -> None:
    async with database.transaction() as unit:
        await unit.execute("INSERT INTO note (text) VALUES ('0'), ('1')")

    answers = await asyncio.gather(
        *(caller.ask(CutOff(visit_id=name, reason="r"), Named) for name in "ab")
    )

    assert [one.name for one in answers] == ["a", "b"]


async def test_an_owner_that_is_away_is_named(bus: Client) -> None:
    with pytest.raises(Retryable, match="auth-lock is not answering"):
        await Caller(bus=bus, wait_s=0.2).ask(CreateGuest(name="Ada"), Named)


async def test_what_runs_ahead_runs_once_a_key_and_its_news_are_named(
    database: Database, bus: Client
) -> None:
    asked: list[str] = []

    async def ahead(order: CreateGuest, context: Context) -> list[str]:
        asked.append(f"{order.name} for {context.actor}")
        return ["evt.elsewhere=7"]

    responder = Responder(
        bus=bus, service="auth-lock", database=database, inbox=Inbox(consumer="auth-lock--events")
    )
    responder.on(CreateGuest, create, before=ahead)
    await responder.start()
    caller = Caller(bus=bus)
    under_key = {"Idempotency-Key": "k", "Pourline-Actor": "anna"}

    async def ask(name: str) -> tuple[int, str | None]:
        status, _, told = await caller.send(
            CreateGuest.subject(), orjson.dumps({"name": name}), headers=under_key
        )
        return status, told.get("Pourline-Events")

    assert await ask("Ada") == (200, "evt.elsewhere=7")
    assert await ask("Ada") == (200, "evt.elsewhere=7"), "whoever repeats waits for it too"
    assert await ask("Bob") == (422, None)
    assert asked == ["Ada for anna"]


@pytest.mark.parametrize("length", [31_000, 300_000])
async def test_an_answer_longer_than_a_message_of_the_bus_arrives_whole(
    caller: Caller, length: int
) -> None:
    assert (await caller.ask(GetVisit(visit_id=str(length)), Named)).name == "x" * length


async def test_an_answer_that_no_packing_helps_is_told_at_once(caller: Caller) -> None:
    with pytest.raises(Refused, match="too long"):
        await caller.ask(GetVisit(visit_id="noise"), Named)


class Crowd:
    """Everybody who has come waits until the door is opened; it knows how many did at once."""

    def __init__(self) -> None:
        self.here = self.most = 0
        self.opened = asyncio.Event()

    async def __call__(self, order: CreateGuest, context: Context) -> None:
        self.here += 1
        self.most = max(self.most, self.here)
        await self.opened.wait()
        self.here -= 1


async def test_a_service_works_on_a_bounded_number_of_requests_at_once(
    database: Database, bus: Client
) -> None:
    crowd = Crowd()
    responder = Responder(bus=bus, service="crowded", database=database, inbox=Inbox(consumer="x"))
    responder.on(CreateGuest, create, before=crowd)
    await responder.start()
    caller = Caller(bus=bus)
    asking = [
        asyncio.create_task(send(caller, CreateGuest, {"name": f"guest {number}"}))
        for number in range(IN_FLIGHT_MAX + 20)
    ]

    async def here() -> int:
        return crowd.here

    await until(here, lambda count: count >= IN_FLIGHT_MAX)
    await bus.flush()
    crowd.opened.set()
    answers = await asyncio.gather(*asking)

    assert {status for status, _ in answers} == {200}
    assert crowd.most == IN_FLIGHT_MAX
