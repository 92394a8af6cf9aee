"""What the bar says of a visit, asked over HTTP, every number exact."""

import json
from decimal import Decimal
from typing import Any, Final

from pourline.testkit.bar import GuestSeat, RunningBar
from pourline.testkit.resilience.truth import Account, Booked

LISTED_MAX: Final = 1000


async def books_of(bar: RunningBar, visit_id: str) -> dict[str, Booked]:
    """Return the pours that the bar has of a visit, empty ones too, by `client_tx_id`."""
    path = f"/api/pours?visit_id={visit_id}&limit={LISTED_MAX}"
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await exactly(bar, path + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next"]
    booked = [
        Booked(
            client_tx_id=one["client_tx_id"],
            volume_ml=Decimal(one["volume_ml"]),
            amount=one["amount"],
            status=one["status"],
        )
        for one in items
    ]
    return {one.client_tx_id: one for one in booked}


async def account_of(bar: RunningBar, guest: GuestSeat, *, topped_up: int) -> Account:
    """Return a visit with its money; `topped_up` is what the guest has paid in."""
    visit = await exactly(bar, f"/api/visits/{guest.visit_id}")
    return Account(
        visit_id=guest.visit_id,
        topped_up=topped_up,
        balance=visit["balance"],
        held=visit["held"],
        active_tap_id=visit["active_tap_id"],
    )


async def exactly(bar: RunningBar, path: str) -> dict[str, Any]:
    """Return an answer with decimals for its numbers; raises `AssertionError` when refused."""
    response = await bar.ask("GET", path)
    assert response.is_success, f"{path}: {response.status_code} {response.text}"
    answer: dict[str, Any] = json.loads(response.text, parse_float=Decimal)
    return answer
