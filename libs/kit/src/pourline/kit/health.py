"""How a service is: each part it needs, and whether its loops still turn."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.contracts import subjects
from pourline.kit.errors import TROUBLE

PART_WAIT_S = 2.0

Check = Callable[[], Awaitable[None]]
log = logging.getLogger(__name__)


class Health:
    """Answers on `health.{service}` with the state of each part."""

    def __init__(self, *, bus: Client, service: str, parts: dict[str, Check]) -> None:
        self._bus = bus
        self._service = service
        self._parts = parts
        self._asking: list[Msg] = []
        self._reporting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer: how each part is, and, on a subject of its own, that we are alive."""
        await self._bus.subscribe(subjects.health(self._service), cb=self._answer)
        await self._bus.subscribe(subjects.alive(self._service), cb=_alive)

    async def report(self) -> dict[str, object]:
        """Return readiness and the state of each part, `ok` or what is wrong."""
        states = dict(
            zip(
                self._parts,
                await asyncio.gather(*(self._state(check) for check in self._parts.values())),
                strict=True,
            )
        )
        ready = all(state == "ok" for state in states.values())
        return {"service": self._service, "ready": ready, "parts": states}

    @staticmethod
    async def _state(check: Check) -> str:
        try:
            await asyncio.wait_for(check(), PART_WAIT_S)
        except TROUBLE as error:
            return f"down: {error.__class__.__name__}"
        return "ok"

    async def _answer(self, request: Msg) -> None:
        """Answer everybody who asks meanwhile with one report: a part that is down takes time."""
        self._asking.append(request)
        if len(self._asking) == 1:
            self._reporting = asyncio.create_task(self._report_to_all())

    async def _report_to_all(self) -> None:
        report = orjson.dumps(await self.report())
        asking, self._asking = self._asking, []
        for request in asking:
            await request.respond(report)


async def _alive(request: Msg) -> None:
    await request.respond(b"")
