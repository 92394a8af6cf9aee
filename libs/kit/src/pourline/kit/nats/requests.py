"""Request and reply: commands and queries to the owner of the data, answers or problems back.

A command runs in one transaction together with its idempotency record; a refusal travels as a
problem with its stable code. Metadata (who asks, idempotency key, trace) stands in headers.
"""

import asyncio
import hashlib
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as BusTimeoutError
from psycopg.errors import DeadlockDetected
from pydantic import BaseModel, ValidationError

from pourline.contracts.base import Command, Query
from pourline.contracts.base import Message as Contract
from pourline.contracts.problems import Problem
from pourline.kit import telemetry
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import (
    TROUBLE,
    Malformed,
    NotFound,
    Rejected,
    Retryable,
    first_fault,
    outcome_of,
)
from pourline.kit.inbox import Inbox

REQUEST_WAIT_S = 5.0
LOOK_EVERY_S = 0.25
NO_LIMIT_S = 3600.0
"""The bus client wants a limit; ours comes first."""
SEEN_WAIT_S = 2.0
IN_FLIGHT_MAX = 64
"""Requests a service works on at once; more wait in the bus client's bounded queue."""
DEADLOCKS_MAX = 3
"""Commands that meet head on are all done, one after another; the database says who goes back."""
SENT_AS_IT_IS_MAX = 32 * 1024
"""A longer answer is compressed; the bus takes no message over 64 KiB."""
HEADERS_MAX = 20 * 1024
TOLD_MAX = 200
"""Events that an answer names, the last ones: its headers must fit in one message."""

KEEP = "INSERT INTO idempotency (key, subject, digest, answer) VALUES (%s, %s, %s, %s)"

Ask = TypeVar("Ask", bound=Command)
Answer = TypeVar("Answer", bound=Contract)
log = logging.getLogger(__name__)


class IdempotencyKeyReused(Rejected):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Context:
    """Who asks, and under which key."""

    actor: str
    level: int = 0
    idempotency_key: str | None = None
    malformed: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Route:
    model: type[Command]
    handle: Callable[..., Awaitable[BaseModel]]
    exists: Callable[[dict[str, Any], UnitOfWork], Awaitable[bool]] | None
    before: Callable[..., Awaitable[Sequence[str] | None]] | None


class Responder:
    """Answers the commands and queries that one service owns."""

    def __init__(self, *, bus: Client, service: str, database: Database, inbox: Inbox) -> None:
        self._bus = bus
        self._service = service
        self._database = database
        self._inbox = inbox
        self._routes: dict[str, _Route] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []
        self.after_write: Callable[[str], Awaitable[None]] | None = None

    def on(
        self,
        model: type[Ask],
        handle: Callable[[Ask, UnitOfWork, Context], Awaitable[BaseModel]],
        *,
        exists: Callable[[dict[str, Any], UnitOfWork], Awaitable[bool]] | None = None,
        before: Callable[[Ask, Context], Awaitable[Sequence[str] | None]] | None = None,
    ) -> None:
        """Answer `model` with `handle`, inside one transaction.

        `exists` says, for a malformed message only, whether what it is about is there: what is
        unknown is told before what is malformed. `before` runs ahead of the transaction: the
        place to ask another service, and to return what that one told. It does not run for a
        repeat under an idempotency key.
        """
        self._routes[model.subject()] = _Route(
            model=model, handle=handle, exists=exists, before=before
        )

    async def start(self) -> None:
        """Subscribe to every subject; instances of a service share the work."""
        for subject in (*self._routes, f"qry.{self._service}.kit.seen"):
            self._subscriptions.append(
                await self._bus.subscribe(subject, queue=self._service, cb=self._receive)
            )
        await self._bus.flush()  # the server knows them before anybody is told that we serve

    async def finish(self) -> None:
        """Take no more, and answer what was taken: its caller cannot know whether it was done."""
        with suppress(*TROUBLE):
            for one in self._subscriptions:
                await one.drain()  # type: ignore[no-untyped-call]
            while self._tasks:
                await asyncio.wait(self._tasks)
            await self._bus.flush()

    async def _receive(self, request: Msg) -> None:
        await self._slots.acquire()
        task = asyncio.create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _answer(self, request: Msg) -> None:
        headers = request.headers or {}
        with telemetry.span(f"{request.subject} answer", parent=headers.get("traceparent")):
            try:
                body, told = await self._run(request)
                if self.after_write and request.subject.startswith("cmd."):
                    await self.after_write(request.subject)
                body, reply = _answer_of(body, told, room=self._bus.max_payload - HEADERS_MAX)
            except Exception as error:  # noqa: BLE001 the table decides what a failure means
                body, reply = _problem(error, request.subject)
        if request.reply:
            await self._bus.publish(request.reply, body, headers=reply)

    async def _run(self, request: Msg) -> tuple[bytes, list[str]]:
        if request.subject.endswith(".kit.seen"):
            return await self._seen(request.data), []
        route = self._routes[request.subject]
        context = _context(request.headers or {})
        command, fault = _parse(route.model, request.data, context)
        if command is None:
            async with self._database.transaction() as unit:
                if route.exists and not await route.exists(_raw(request.data), unit):
                    raise NotFound
            raise Malformed(fault)
        told: list[str] = []
        if route.before:
            async with self._database.transaction() as unit:
                if answered := await self._answered(command, unit, context, request.data):
                    return answered
            told += await route.before(command, context) or ()
        once = partial(self._once, route, command, context, request.data, told)
        for _ in range(DEADLOCKS_MAX):
            with suppress(DeadlockDetected):
                return await once()
        return await once()

    async def _once(
        self, route: _Route, command: Command, context: Context, raw: bytes, told: list[str]
    ) -> tuple[bytes, list[str]]:
        """Run a command under its idempotency key: the first answer is the answer."""
        async with self._database.transaction() as unit:
            if answered := await self._answered(command, unit, context, raw):
                return answered
            body = _wire(await route.handle(command, unit, context))
            told = told + [f"{one.subject}={one.id}" for one in unit.announcements]
            if key := _key(command, context):
                kept = b"\n".join((body, ",".join(told[-TOLD_MAX:]).encode()))
                await unit.execute(KEEP, (key, command.subject(), _digest(raw), kept))
            return body, told

    async def _answered(
        self, command: Command, unit: UnitOfWork, context: Context, raw: bytes
    ) -> tuple[bytes, list[str]] | None:
        """Return what stands under a command's key: the answer, and what it told.

        Raises `IdempotencyKeyReused`. No JSON of ours has a line break; what came before that was
        kept has no second line.
        """
        key = _key(command, context)
        if key is None:
            return None
        await unit.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", (key,))
        stored = await unit.maybe(
            "SELECT subject, digest, answer FROM idempotency WHERE key = %s", (key,)
        )
        if stored is None:
            return None
        if (stored["subject"], bytes(stored["digest"])) != (command.subject(), _digest(raw)):
            raise IdempotencyKeyReused
        body, _, told = bytes(stored["answer"]).partition(b"\n")
        return body, told.decode().split(",") if told else []

    async def _seen(self, raw: bytes) -> bytes:
        ids = [UUID(text) for text in orjson.loads(raw)["ids"]]
        return orjson.dumps({"seen": await self._inbox.wait_for(self._database, ids, SEEN_WAIT_S)})


class Caller:
    """Asks other services."""

    def __init__(self, *, bus: Client, wait_s: float = REQUEST_WAIT_S) -> None:
        self._bus = bus
        self._wait_s = wait_s

    def waiting(self, share: float) -> "Caller":
        """Return one that waits for that share (0 to 1) of the time."""
        return Caller(bus=self._bus, wait_s=share * self._wait_s)

    async def ask(
        self, command: Command, answer: type[Answer], *, actor: str = "system", key: str = ""
    ) -> Answer:
        """Ask the owner and return its answer; with an idempotency `key` the first one again.

        Raises `Retryable` when nobody answers in time, `Refused` when the owner says no.
        """
        headers = {"Pourline-Actor": actor} | ({"Idempotency-Key": key} if key else {})
        status, body, _ = await self.send(command.subject(), command.wire(), headers=headers)
        if status != 200:
            raise Refused(Problem.model_validate_json(body))
        return answer.model_validate_json(body)

    async def send(
        self, subject: str, body: bytes, *, headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        """Send raw JSON and return status, raw answer and headers."""
        if parent := telemetry.traceparent():
            headers = headers | {"traceparent": parent}
        try:
            reply = await self._reply(subject, body, headers)
        except (BusTimeoutError, NoRespondersError, TimeoutError) as error:
            owner = subject.split(".")[1]
            raise Retryable(f"{owner} is not answering.", part=owner) from error
        found = reply.headers or {}
        data = zlib.decompress(reply.data) if "Pourline-Packed" in found else reply.data
        return int(found.get("Pourline-Status", "500")), data, found

    async def _reply(self, subject: str, body: bytes, headers: dict[str, str]) -> Msg:
        """Wait for the reply; raises `TimeoutError`.

        What counts is how often the loop looked, for the process, and maybe the whole machine, may
        stand still: that is one look, however long. Of the last one the lateness is given again,
        because the reply may lie in a socket that nobody has read yet.
        """
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle
        async with asyncio.timeout(None) as limit:

            def look_again(left_s: float) -> None:
                nonlocal timer
                if left_s > 0:
                    timer = loop.call_later(LOOK_EVERY_S, look_again, left_s - LOOK_EVERY_S)
                else:
                    limit.reschedule(loop.time() + max(LOOK_EVERY_S, loop.time() - timer.when()))

            timer = loop.call_later(LOOK_EVERY_S, look_again, self._wait_s - LOOK_EVERY_S)
            try:
                return await self._bus.request(subject, body, timeout=NO_LIMIT_S, headers=headers)
            finally:
                timer.cancel()


class Refused(Rejected):
    """The owner of the data said no."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, **(problem.model_extra or {}))
        self.problem = problem

    @property
    def wire_code(self) -> str:
        """Return the owner's code."""
        return self.problem.code


def problem_of(error: BaseException) -> Problem:
    """Return `error` as the problem that a caller sees."""
    if isinstance(error, Refused):
        return error.problem
    outcome = outcome_of(error)
    return Problem(
        title=outcome.code.replace("_", " "),
        status=outcome.status,
        code=outcome.code,
        detail=outcome.detail,
        **getattr(error, "members", {}),
    )


def _problem(error: Exception, subject: str) -> tuple[bytes, dict[str, str]]:
    problem = problem_of(error)
    level = outcome_of(error).log_level if problem.status >= 500 else logging.INFO
    log.log(
        level,
        "request_refused",
        exc_info=error if problem.status == 500 else None,
        extra={"subject": subject, "code": problem.code, "detail": problem.detail},
    )
    return problem.wire(), {"Pourline-Status": str(problem.status)}


def _answer_of(body: bytes, told: list[str], *, room: int) -> tuple[bytes, dict[str, str]]:
    """Return an answer as it travels: a long one packed; raises `Retryable` for one too long."""
    headers = {"Pourline-Status": "200"}
    if told:
        headers["Pourline-Events"] = ",".join(told[-TOLD_MAX:])
    if len(body) > SENT_AS_IT_IS_MAX:
        body, headers["Pourline-Packed"] = zlib.compress(body, 1), "zlib"
    if len(body) > room:
        raise Retryable("The answer is too long for one message.")
    return body, headers


def _context(headers: dict[str, str]) -> Context:
    return Context(
        actor=headers.get("Pourline-Actor", "system"),
        level=int(headers.get("Pourline-Level", "0")),
        idempotency_key=headers.get("Idempotency-Key"),
        malformed=headers.get("Pourline-Malformed"),
    )


def _parse(model: type[Command], raw: bytes, context: Context) -> tuple[Command | None, str]:
    if context.malformed:
        return None, context.malformed
    try:
        return model.read(raw or b"{}"), ""
    except ValidationError as error:
        return None, first_fault(error)


def _raw(data: bytes) -> dict[str, Any]:
    parsed = orjson.loads(data or b"{}")
    return parsed if isinstance(parsed, dict) else {}


def _key(command: Command, context: Context) -> str | None:
    return None if isinstance(command, Query) else context.idempotency_key


def _digest(data: bytes) -> bytes:
    body = orjson.dumps(orjson.loads(data or b"{}"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(body).digest()


def _wire(answer: BaseModel) -> bytes:
    """Return an answer's JSON; what is absent is there as null, for programs that rely on it."""
    return answer.model_dump_json(by_alias=True).encode()
