"""What a precheck says of the alerts that stand."""

import secrets
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest
from pourline.contracts.base import Command, Listing
from pourline.contracts.base import Message as Contract
from pourline.contracts.device import AlertSubject, Severity
from pourline.contracts.evening import Alert, AlertState, ListAlerts, OpenShift
from pourline.contracts.shifts import Blockers, GetPrecheck
from pourline.kit.db import Database
from pourline.kit.ids import new_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import Caller, Context
from pourline.shift.handlers import opening
from pourline.shift.handlers.closing import Closing
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

STAFF = Context(actor="anna", level=3)
SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
STATES = (AlertState.OPEN, AlertState.ACKNOWLEDGED, AlertState.OPEN, AlertState.RESOLVED)
ANSWER_BYTES_MAX = 45 * 1024
Answer = TypeVar("Answer", bound=Contract)


class FakeOwners(Caller):
    """Others, in whose way nothing stands; their alerts are the oldest first."""

    def __init__(self, alerts: list[Alert]) -> None:
        self.alerts = alerts

    async def ask(
        self, command: Command, answer: type[Answer], *, actor: str = "system", key: str = ""
    ) -> Answer:
        del actor, key
        if not isinstance(command, ListAlerts):
            return answer.model_validate(Blockers(blockers=[]).model_dump() | {"newest": []})
        before = int(command.cursor) if command.cursor else len(self.alerts)
        numbers = [
            number
            for number, one in reversed(list(enumerate(self.alerts)))
            if number < before
            and command.state in (None, one.state)
            and command.severity in (None, one.severity)
        ]
        page = numbers[: command.limit]
        more = len(numbers) > command.limit
        listed = Listing[Alert](
            items=[self.alerts[number] for number in page], next=str(page[-1]) if more else None
        )
        return answer.model_validate_json(listed.wire())


def alerts_of(
    clock: FakeClock, count: int, *, comment_bytes: int = 0, **fields: object
) -> list[Alert]:
    """Return alerts of every severity and state, a minute apart, graver ones the older."""
    return [
        Alert.model_validate(
            {
                "id": str(new_id()),
                "alert_id": str(new_id()),
                "severity": SEVERITIES[number * len(SEVERITIES) // count],
                "kind": "low_stock",
                "title": "Low stock",
                "message": f"{number} ml are left.",
                "subject": AlertSubject(type="item", id=str(new_id())),
                "state": STATES[number % len(STATES)],
                "opened_at": clock.now() + timedelta(minutes=number),
                "comment": secrets.token_hex(comment_bytes),
            }
            | fields
        )
        for number in range(count)
    ]


@pytest.fixture
async def database(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Database]:
    database = Database(url=fresh_database("shift"), service="shift", clock=clock)
    await database.open()
    yield database
    await database.close()


async def precheck(database: Database, alerts: list[Alert]) -> list[Alert]:
    closing = Closing(database=database, caller=FakeOwners(alerts), inbox=Inbox(consumer="shift"))
    async with database.transaction() as unit:
        shift = await opening.open_shift(OpenShift(), unit, STAFF)
    query = GetPrecheck(shift_id=shift.id)
    await closing.ask_before_precheck(query, STAFF)
    async with database.transaction() as unit:
        answer = await closing.precheck(query, unit, STAFF)
    assert answer.can_close
    assert len(zlib.compress(answer.wire(), 1)) < ANSWER_BYTES_MAX
    return answer.alerts


@pytest.mark.requirement("SH-2")
async def test_every_unresolved_alert_is_shown_the_gravest_and_newest_first(
    database: Database, clock: FakeClock
) -> None:
    alerts = alerts_of(clock, 400)
    standing = [one for one in alerts if one.state is not AlertState.RESOLVED]

    shown = await precheck(database, alerts)

    assert len(shown) == 300
    assert shown == sorted(
        standing,
        key=lambda one: (SEVERITIES.index(one.severity), -one.opened_at.timestamp()),
    )


@pytest.mark.requirement("SH-2")
@pytest.mark.parametrize("comment_bytes", [0, 200])
async def test_of_too_many_alerts_the_gravest_are_shown_that_one_message_holds(
    database: Database, clock: FakeClock, comment_bytes: int
) -> None:
    make = partial(alerts_of, clock, comment_bytes=comment_bytes, state=AlertState.OPEN)
    grave, light = make(30, severity=Severity.CRITICAL), make(600, severity=Severity.INFO)

    shown = await precheck(database, grave + light)

    assert [one.id for one in shown[:30]] == [one.id for one in reversed(grave)]
    assert 100 < len(shown) <= 500
