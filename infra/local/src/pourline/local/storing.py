"""Whether our nats-server still stores what it is given, asked in its system account.

A stream that could not write once, to a full disk say, takes nothing more for as long as that
process lives, although there is room again and the server greets everybody. Only a new start
helps, and `$SYS.REQ.SERVER.PING.HEALTHZ` is what tells.
"""

import asyncio
import json
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

import nats.errors

from pourline.kit.trust import SafeClient, Trust
from pourline.local.bus import CONNECT_WITHIN_S, NEVER_GIVE_UP
from pourline.local.errors import UnavailableError

CLOSE_WITHIN_S = 2.0
ASK_WITHIN_S = 2.0
RECONNECT_WAIT_S = 1
QUESTION = "$SYS.REQ.SERVER.PING.HEALTHZ"
STUCK = "write error"
"""What a server says of streams and consumers that write no more; all else heals by itself."""


class Storing:
    """A connection to the system account that asks one server how its stores are."""

    def __init__(self, url: str, *, trust: Trust | None = None) -> None:
        self._url = url
        self._trust = trust or Trust()
        self._tls = self._trust.context() if url.startswith("tls://") else None
        self._connection = SafeClient()
        self._told = ""

    async def __aenter__(self) -> Self:
        try:
            await self._connection.connect(
                self._url.split(","),
                tls=self._tls,
                connect_timeout=CONNECT_WITHIN_S,
                max_reconnect_attempts=NEVER_GIVE_UP,
                reconnect_time_wait=RECONNECT_WAIT_S,
                error_cb=_ignore,
                disconnected_cb=self._on_disconnect,
            )
        except (OSError, nats.errors.Error) as error:
            raise UnavailableError(f"cannot ask the bus how it is: {error}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The server may be gone already, or be one whose certificate is not believed.
        with suppress(nats.errors.Error, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._connection.close()

    async def _on_disconnect(self) -> None:
        """Believe, when next it connects, the certificate that stands in the file by then."""
        with suppress(OSError):
            self._trust.renew(self._tls)

    async def answers(self) -> bool | None:
        """Return False when something cannot be stored any more; None while nobody says."""
        try:
            reply = await self._connection.request(QUESTION, timeout=ASK_WITHIN_S)
        except (nats.errors.Error, TimeoutError):
            return None
        wrong = _wrong(reply.data)
        is_stuck = STUCK in wrong
        if is_stuck and wrong != self._told:
            print(f"pourline: nats-server: {wrong}", file=sys.stderr, flush=True)
        self._told = wrong
        return not is_stuck


def _wrong(answer: bytes) -> str:
    """Return what the server says is wrong with it; empty when all is well."""
    data = json.loads(answer).get("data") or {}
    said = [data.get("error") or "", *(one.get("error", "") for one in data.get("errors") or [])]
    return "; ".join(one for one in said if one)


async def _ignore(error: Exception) -> None:
    """Say nothing: a server that dies is the supervisor's to report."""
    del error
