"""Dead letters beside services of the version before, which know of no closed ones."""

from datetime import UTC, datetime
from typing import TypeVar

import pytest
from pourline.console.store import upkeep
from pourline.contracts.base import Command, Listing, Message
from pourline.contracts.upkeep import DeadLetter
from pourline.kit.nats import Caller

Answer = TypeVar("Answer", bound=Message)
CAME_AT = datetime(2026, 5, 1, 20, tzinfo=UTC)
WAITING = DeadLetter(
    service="ledger",
    id=7,
    consumer="ledger--pour",
    subject="bar.main.tap.1.pour",
    reason="malformed: x",
    deliveries=1,
    received_at=CAME_AT,
    at=CAME_AT,
    payload="{}",
    payload_bytes=2,
)


class OlderServices(Caller):
    """Each lists what waits, whatever else it is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(
        self, command: Command, answer: type[Answer], *, actor: str = "system", key: str = ""
    ) -> Answer:
        del command, actor, key
        self.asked += 1
        page = Listing[DeadLetter](items=[WAITING], next="7" if self.asked == 1 else None)
        return answer.model_validate_json(page.wire())


@pytest.mark.parametrize("closed", [False, True])
async def test_what_waits_at_an_older_service_is_never_told_as_closed(*, closed: bool) -> None:
    page = await upkeep.letters_of(OlderServices(), "ledger", actor="anna", closed=closed)

    assert page.items == ([] if closed else [WAITING])
    assert page.next == "7"


async def test_a_list_of_closed_ones_ends_where_nothing_of_a_page_is_closed() -> None:
    services = OlderServices()

    page = await upkeep.letters(services, actor="anna", cursor=None, limit=100, closed=True)

    assert (page.items, page.next) == ([], None)
    assert services.asked == len(upkeep.OWNERS) + 1
