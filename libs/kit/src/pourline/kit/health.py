"""How a service is: each part it needs, and whether its loops still turn."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.contracts import subjects
from pourline.contracts.upkeep import ASK_FIGURES, Figures
from pourline.kit.errors import TROUBLE

PART_WAIT_S = 2.0

Check = Callable[[], Awaitable[None]]
Measure = Callable[[], Awaitable[Figures]]
log = logging.getLogger(__name__)


class Health:
    """Answers on `health.{service}` with the state of each part."""

    def __init__(
        self, *, bus: Client, service: str, parts: dict[str, Check], measure: Measure | None = None
    ) -> None:
        self._bus = bus
        self._service = service
        self._parts = parts
        self._measure = measure
        self._began_s = time.monotonic()
        self._asking: dict[bool, list[Msg]] = {False: [], True: []}
        self._reporting: dict[bool, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Begin to answer: how each part is, and, on a subject of its own, that we are alive."""
        await self._bus.subscribe(subjects.health(self._service), cb=self._answer)
        await self._bus.subscribe(subjects.alive(self._service), cb=_alive)

    async def report(self) -> dict[str, object]:
        """Return readiness and the state of each part, `ok` or what is wrong."""
        found = await asyncio.gather(*(self._state(check) for check in self._parts.values()))
        states = dict(zip(self._parts, found, strict=True))
        ready = all(state == "ok" for state in states.values())
        return {"service": self._service, "ready": ready, "parts": states}

    @staticmethod
    async def _state(check: Check) -> str:
        try:
            await asyncio.wait_for(check(), PART_WAIT_S)
        except TROUBLE as error:
            return f"down: {error.__class__.__name__}"
        return "ok"

    async def report_in_full(self) -> dict[str, object]:
        """Return the report with version, uptime and figures, for who looks after the system."""
        report = await self.report()
        figures = await self._measure() if self._measure else Figures()
        return report | {
            "version": version("pourline-kit"),  # released as one: every part has the same
            "uptime_s": int(time.monotonic() - self._began_s),
            "figures": figures.model_dump(mode="json"),
        }

    async def _answer(self, request: Msg) -> None:
        """Answer everybody who asks meanwhile with one report: a part that is down takes time."""
        in_full = request.data == ASK_FIGURES
        self._asking[in_full].append(request)
        if len(self._asking[in_full]) == 1:
            self._reporting[in_full] = asyncio.create_task(self._report_to_all(in_full=in_full))

    async def _report_to_all(self, *, in_full: bool) -> None:
        report = await (self.report_in_full() if in_full else self.report())
        asking, self._asking[in_full] = self._asking[in_full], []
        for request in asking:
            await request.respond(orjson.dumps(report))


async def _alive(request: Msg) -> None:
    await request.respond(b"")
