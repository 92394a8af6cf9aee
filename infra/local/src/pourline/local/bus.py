"""The supervisor's own place on the bus: declares the topology and asks services how they are."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.contracts import subjects
from pourline.kit.trust import SafeClient, Trust
from pourline.local.errors import UnavailableError
from pourline.local.watch import ANSWER_WITHIN_S

Topology = Callable[[Client], Awaitable[None]]

CONNECT_WITHIN_S = 5
DECLARED_WITHIN_S = 45
"""Recovering a large store after a crash takes its time, and so does a cluster's first election."""

SILENT_AFTER_S = 2.5
"""Leaves time, within `ANSWER_WITHIN_S`, to see whether it is the bus that is silent."""

AGAIN_S = 0.2
RECONNECT_WAIT_S = 0.1
NEVER_GIVE_UP = -1


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a service said of itself; `reason` is empty when it is ready."""

    service: str
    ready: bool
    reason: str


class Bus:
    """A connection that declares the topology, again after each time the server was away.

    A server that comes back may have lost its store; declaring what is there changes nothing.
    """

    def __init__(self, url: str, *, topology: Topology, trust: Trust | None = None) -> None:
        self._url = url
        self._trust = trust or Trust()
        self._tls = self._trust.context() if url.startswith("tls://") else None
        self._topology = topology
        self._connection: Client = SafeClient()
        self._declaring: asyncio.Task[None] | None = None
        self._echo = ""
        self._refusal = "no answer"

    async def __aenter__(self) -> Self:
        try:
            await self._connection.connect(
                self._url.split(","),
                tls=self._tls,
                disconnected_cb=self._on_disconnect,
                connect_timeout=CONNECT_WITHIN_S,
                max_reconnect_attempts=NEVER_GIVE_UP,
                reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type] # a float serves
                reconnected_cb=self._on_reconnect,
                error_cb=_ignore,
            )
        except (OSError, nats.errors.Error) as error:
            raise UnavailableError(f"cannot connect to the bus: {error}") from error
        self._echo = self._connection.new_inbox()
        await self._connection.subscribe(self._echo, cb=_repeat)
        try:
            await asyncio.wait_for(self._declare(), DECLARED_WITHIN_S)
        except TimeoutError as error:
            await self._connection.close()
            raise UnavailableError(f"the bus refuses the topology: {self._refusal}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._declaring:
            self._declaring.cancel()
        with suppress(nats.errors.Error, OSError):
            await self._connection.close()

    async def condition(self, service: str) -> Condition:
        """Ask a service how it is; one that does not answer is not ready."""
        try:
            answer = await self._connection.request(
                subjects.health(service), timeout=ANSWER_WITHIN_S
            )
        except (nats.errors.Error, TimeoutError):
            return Condition(service=service, ready=False, reason="does not answer")
        health = json.loads(answer.data)
        ill = [f"{part}: {state}" for part, state in health["parts"].items() if state != "ok"]
        return Condition(service=service, ready=health["ready"], reason=", ".join(ill))

    async def answers(self, service: str) -> bool | None:
        """Return whether a service answers at all; None while the bus itself does not."""
        try:
            await self._connection.request(subjects.alive(service), timeout=SILENT_AFTER_S)
        except (nats.errors.Error, TimeoutError):
            return False if await self._is_up() else None
        return True

    async def _is_up(self) -> bool:
        """Return whether the bus carries a word from us to ourselves."""
        try:
            await self._connection.request(self._echo, timeout=1)
        except (nats.errors.Error, TimeoutError):
            return False
        return True

    async def conditions(self, services: Sequence[str]) -> list[Condition]:
        """Ask several services at once."""
        return list(await asyncio.gather(*(self.condition(service) for service in services)))

    async def _on_disconnect(self) -> None:
        """Take certificates that were renewed meanwhile; unreadable ones change nothing."""
        if self._tls:
            with suppress(OSError):
                self._trust.renew(self._tls)

    async def _on_reconnect(self) -> None:
        if self._declaring:
            self._declaring.cancel()
        self._declaring = asyncio.create_task(self._declare())

    async def _declare(self) -> None:
        """Declare the topology until it is accepted: JetStream may still be recovering."""
        while True:
            try:
                await self._topology(self._connection)
            except (nats.errors.Error, TimeoutError) as error:
                self._refusal = str(error)
                await asyncio.sleep(AGAIN_S)
            else:
                return


async def _repeat(word: Msg) -> None:
    await word.respond(b"")


async def _ignore(error: Exception) -> None:
    """Say nothing: the supervisor reports the death of a server, not of connections to it."""
    del error
