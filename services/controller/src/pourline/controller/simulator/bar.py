"""The bar's HTTP side as the simulator needs it: patient, and safe to repeat.

Every write carries an idempotency key, so that a retry after a lost answer gets the first answer
again, the secrets in it included.
"""

import asyncio
import logging
import time
from types import TracebackType
from typing import Final, Self

import httpx
import orjson
from uuid_utils.compat import uuid7

from pourline.controller import payloads
from pourline.controller.domain import Backoff
from pourline.controller.trust import Trust

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 15.0
LATER: Final = frozenset({429, 502, 503, 504})
PAUSES: Final = Backoff(first_s=0.25, cap_s=5.0)

Body = dict[str, object]


class Refused(Exception):  # noqa: N818 - the bar's own word for a 4xx
    """The bar said no: `status` and the problem's stable `code`."""

    def __init__(self, path: str, status: int, code: str) -> None:
        super().__init__(f"{path}: {status} {code}")
        self.status = status
        self.code = code


class Unreachable(Exception):  # noqa: N818 - the same
    """The bar did not answer for as long as we were told to wait."""


class BarClient:
    """Calls the bar; waits `patience_s` for one that is down, for ever when that is None."""

    def __init__(self, *, http_url: str, token: str, patience_s: float | None = 30.0) -> None:
        self._http = httpx.AsyncClient(
            base_url=http_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            verify=Trust.from_environment().context(),
        )
        self._patience_s = patience_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: str) -> Body:
        """Read. Raises Refused or Unreachable."""
        return await self._call("GET", path, query=query)

    async def post(self, path: str, body: Body | None = None, *, key: str = "") -> Body:
        """Write once, whatever it takes to get an answer. Raises Refused or Unreachable."""
        return await self._call("POST", path, body=body or {}, key=key or str(uuid7()))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        query: dict[str, str] | None = None,
        key: str = "",
    ) -> Body:
        content = None if body is None else payloads.write(body)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if key else {}
        request = self._http.build_request(
            method, path, content=content, params=query, headers=headers
        )
        begun_s, attempt = time.monotonic(), 0
        while (answer := await self._send(request)) is None:
            attempt += 1
            if self._patience_s is not None and time.monotonic() - begun_s > self._patience_s:
                raise Unreachable(f"does not answer at {request.url}")
            await asyncio.sleep(PAUSES.delay_s(attempt, path))
        return _body(path, answer)

    async def _send(self, request: httpx.Request) -> httpx.Response | None:
        """Send once; None when it should be sent again later."""
        try:
            answer = await self._http.send(request)
        except httpx.TransportError as error:
            log.info("bar_unreachable", extra={"why": str(error) or type(error).__name__})
            return None
        return None if answer.status_code in LATER else answer


def _body(path: str, answer: httpx.Response) -> Body:
    try:
        body = orjson.loads(answer.content or b"{}")
    except orjson.JSONDecodeError:
        body = {}
    if not isinstance(body, dict):
        body = {"items": body}
    if answer.is_error:
        raise Refused(path, answer.status_code, str(body.get("code", "")))
    return body
