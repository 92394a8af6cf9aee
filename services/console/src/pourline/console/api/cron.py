"""The timetable's end point: a secret opens it, and monitor calls are counted.

The secret never comes near a log: what is asked is not logged, and it is taken out of the query
before anybody else sees the request's fields.
"""

import hmac

from fastapi import Request
from starlette.responses import Response

from pourline.console.api.limits import MonitorLimit
from pourline.console.api.tokens import SCHEME
from pourline.console.errors import Unauthorized
from pourline.contracts.notices import MonitorRun, RunMonitor
from pourline.kit.nats import Caller

PATH = "/api/cron/inventory-monitor"
ACTOR = "cron"


class CronDoor:
    """Runs the inventory monitor for whoever knows the secret; without one nobody does."""

    def __init__(self, *, caller: Caller, secret: str, calls: MonitorLimit) -> None:
        self._caller = caller
        self._secret = secret.encode()
        self._calls = calls

    async def run(self, request: Request) -> Response:
        """Run the monitor; raises `Unauthorized`, `TooOften`, `Refused`."""
        given = _given(request).encode("utf-8", errors="surrogateescape")
        # Compared in constant time also where there is no secret: the answer is the same.
        is_right = hmac.compare_digest(given, self._secret)
        if not (self._secret and is_right):
            raise Unauthorized("The timetable's secret is needed.")
        self._calls.take((ACTOR, PATH))
        run = await self._caller.ask(RunMonitor(), MonitorRun, actor=ACTOR)
        return Response(run.model_dump_json(), media_type="application/json")


def _given(request: Request) -> str:
    """Return the secret that is told: as bearer, else as `token` in the query."""
    authorization = request.headers.get("authorization", "")
    if authorization.lower().startswith(SCHEME):
        return authorization[len(SCHEME) :].strip()
    return request.query_params.get("token", "")
