"""How a service is: each part it needs, and whether its loops still turn."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

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

    async def start(self) -> None:
        """Begin to answer."""
        await self._bus.subscribe(f"health.{self._service}", cb=self._answer)

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
        await request.respond(orjson.dumps(await self.report()))
