"""Who may do what: every end point with every level and with none, against the contract's table.

The table is written down here, not read from the code: an end point that is in one and not in the
other fails, so a new one cannot be forgotten and a level cannot slip.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from pourline.kit.ids import new_id
from pourline.local import credentials
from pourline.local.paths import DataDir
from pourline.testkit.bar import RunningBar, refusal

pytestmark = pytest.mark.xdist_group("bar")

NOBODY = "0199c0de-0000-7000-8000-000000000000"
LEVELS = range(1, 6)

CONTRACT = """
- GET /health/live
- GET /health/ready
- POST /api/auth/login
1 POST /api/guests
1 GET /api/guests
1 GET /api/guests/{}
1 POST /api/guests/{}/verify-age
1 POST /api/guests/{}/topup
3 POST /api/guests/{}/refund
1 GET /api/guests/{}/statement
1 POST /api/visits
1 GET /api/visits/active
1 GET /api/visits/{}
1 POST /api/visits/{}/card
1 POST /api/visits/{}/close
3 POST /api/visits/{}/force-unlock
2 POST /api/visits/{}/reconcile-pour
1 GET /api/pours
3 POST /api/pours/{}/decide
1 POST /api/lost-cards
1 GET /api/lost-cards
3 DELETE /api/lost-cards/{}
4 POST /api/lost-cards/{}/override
4 POST /api/beverages
1 GET /api/beverages
4 POST /api/beverages/{}/price
4 POST /api/taps
1 GET /api/taps
1 GET /api/taps/{}
2 POST /api/taps/{}/stop
2 POST /api/taps/{}/resume
2 POST /api/taps/{}/cleaning
3 POST /api/taps/{}/reset-sync
2 POST /api/kegs
1 GET /api/kegs
1 GET /api/kegs/suggestion
2 POST /api/taps/{}/keg
2 DELETE /api/taps/{}/keg
4 POST /api/items
1 GET /api/items
2 POST /api/stock/receipts
1 GET /api/stock/batches
4 POST /hardware/spout/devices
4 GET /hardware/spout/devices
4 POST /hardware/spout/devices/{}/rotate-secret
4 POST /hardware/spout/devices/{}/deactivate
4 POST /hardware/spout/calibrate
- POST /hardware/spout/ingest
4 GET /hardware/spout/events
1 GET /api/inventory
1 GET /api/inventory/ledger
3 POST /api/inventory/{}/adjust
3 POST /api/inventory/{}/count
1 GET /api/inventory/events
2 POST /api/inventory/notifications/check
2 GET /api/inventory/notifications/check
- GET /api/cron/inventory-monitor
4 POST /api/packages
1 GET /api/packages
1 GET /api/packages/availability
1 GET /api/packages/{}/availability
1 GET /api/inventory/package-impact/{}
1 POST /api/sales
1 GET /api/alerts
1 POST /api/alerts/{}/acknowledge
1 POST /api/alerts/{}/resolve
3 GET /api/notifications
3 POST /api/notifications/{}/retry
2 POST /api/shifts/open
2 GET /api/shifts/current
2 POST /api/shifts/{}/members
2 GET /api/shifts/{}/precheck
2 POST /api/shifts/{}/close
2 GET /api/shifts/{}/report
2 GET /api/pos/events
2 POST /api/pos/events/{}/sent
2 POST /api/pos/events/{}/retry
4 GET /api/config
4 GET /api/config/{}
4 PUT /api/config/{}
4 GET /api/audit
"""
"""Level (- is public), method and path of every end point of the outer contract, section 3."""

ADDED = """
- POST /api/auth/pin
1 POST /api/auth/logout
3 POST /api/guests/{}/correction
3 POST /api/guests/{}/pay-out
1 GET /api/visits/{}/receipt
1 GET /api/pours/{}
5 POST /api/staff
5 GET /api/staff
5 POST /api/staff/{}/level
5 POST /api/staff/{}/password
5 POST /api/staff/{}/pin
5 POST /api/staff/{}/deactivate
5 POST /api/staff/{}/reactivate
1 GET /api/locks
2 POST /api/visits/{}/stop
2 POST /api/visits/{}/reactivate
2 POST /api/visits/{}/cut-off
2 DELETE /api/visits/{}/cut-off
2 POST /api/visits/close-idle
2 DELETE /api/shifts/{}/members/{}
2 POST /api/wall/stop
2 POST /api/wall/resume
4 POST /api/items/{}
1 GET /api/kegs/forecast
1 GET /api/kegs/{}/yield
3 POST /api/alert-suppressions
3 GET /api/alert-suppressions
3 DELETE /api/alert-suppressions/{}
2 GET /api/reports/pours
2 GET /api/reports/losses
2 GET /api/shifts
4 GET /api/dead-letters
4 POST /api/dead-letters/{}/{}/replay
4 POST /api/dead-letters/{}/{}/close
"""
"""What stands beside the contract's."""

TO_COME = """
"""
"""End points of the contract that are not built yet; each leaves this list when it is there."""

EndPoint = tuple[str, str]
"""Method, and path with its names left out."""
STREAMED = {("GET", "/api/inventory/events")}
"""What never ends is asked for its refusals only."""


def written(table: str) -> dict[EndPoint, int | None]:
    rows = (line.split() for line in table.strip().splitlines())
    return {(method, path): None if level == "-" else int(level) for level, method, path in rows}


def to_come() -> set[EndPoint]:
    rows = (line.split() for line in TO_COME.strip().splitlines())
    return {(method, path) for method, path in rows}


def wanted() -> dict[EndPoint, int | None]:
    table = written(CONTRACT) | written(ADDED)
    return {one: level for one, level in table.items() if one not in to_come()}


def documented(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), path


def bare(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


class Callers:
    """Asks as somebody of a level, each time with a token of its own, or as nobody."""

    def __init__(self, bar: RunningBar, web: httpx.AsyncClient) -> None:
        self._web = web
        self._key = credentials.load_or_make(DataDir(bar.data_dir)).token_key

    async def ask(self, end_point: EndPoint, level: int | None) -> httpx.Response:
        method, path = end_point
        headers = {} if level is None else {"Authorization": f"Bearer {self._token(level)}"}
        address = path.replace("{}", NOBODY)
        return await self._web.request(method, address, content=b"{}", headers=headers)

    def _token(self, level: int) -> str:
        claims = {
            "iss": "pourline",
            "sub": f"level {level}",
            "level": level,
            "jti": str(new_id()),
            "exp": datetime.now(UTC) + timedelta(minutes=5),
        }
        return jwt.encode(claims, self._key, algorithm="HS256")


SCRAPED = ("GET", "/metrics")
"""Has a token of its own and says 404 without one: `tests/e2e/test_metrics.py`."""


async def test_every_end_point_is_in_the_table_and_every_row_is_an_end_point(
    bar: RunningBar,
) -> None:
    document = await bar.get("/openapi.json")

    there = {(method, bare(path)) for method, path in documented(document)}

    assert there - set(wanted()) == {SCRAPED}, "not in the table, or no longer to come"
    assert set(wanted()) - there == set(), "in the table and not there"
    assert to_come() <= set(written(CONTRACT) | written(ADDED))


async def test_every_end_point_opens_at_its_level_and_to_nobody_below_it(bar: RunningBar) -> None:
    wrong: list[tuple[EndPoint, int | None, int]] = []
    async with httpx.AsyncClient(base_url=bar.base_url, timeout=30) as web:
        callers = Callers(bar, web)
        for end_point, level in wanted().items():
            for who in (None, *LEVELS):
                opens = level is None or (who is not None and who >= level)
                if opens and end_point in STREAMED:
                    continue
                answer = await callers.ask(end_point, who)
                if not as_it_must(answer, who=who, opens=opens, public=level is None):
                    wrong.append((end_point, who, answer.status_code))

    assert wrong == []


def as_it_must(answer: httpx.Response, *, who: int | None, opens: bool, public: bool) -> bool:
    if public:
        return answer.status_code not in (403, 500)
    if opens:
        return answer.status_code not in (401, 403, 500)
    return refusal(answer) == ((401, "unauthorized") if who is None else (403, "forbidden"))
