"""A board with two taps, and builders of what is told to it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import pytest
from pourline.console.store import Board
from pourline.contracts.base import Command, Envelope, Event, Listing
from pourline.contracts.base import Message as Contract
from pourline.contracts.device import TapState
from pourline.contracts.taps import ConfigEntry, ListTaps, Tap
from pourline.kit.errors import Retryable
from pourline.kit.nats import Caller
from pourline.testkit.clock import FakeClock

Answer = TypeVar("Answer", bound=Contract)
Envelop = Callable[..., Envelope[Any]]


class FakeOwners(Caller):
    """Answers the board's questions; while `silent` nobody answers."""

    def __init__(self, taps: list[Tap]) -> None:
        self.taps = taps
        self.config: dict[str, object] = {"currency": "EUR", "keg_low_ratio": 0.15}
        self.silent = False
        self.asked = 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def ask(
        self, command: Command, answer: type[Answer], *, actor: str = "system", key: str = ""
    ) -> Answer:
        del actor, key
        if self.silent:
            raise Retryable("auth-lock is not answering.")
        if isinstance(command, ListTaps):
            self.asked += 1
            listed = Listing[Tap](items=list(self.taps)).wire()
            self.meanwhile()
            return answer.model_validate_json(listed)
        entries = [ConfigEntry(key=key, value=value) for key, value in self.config.items()]
        return answer.model_validate_json(Listing[ConfigEntry](items=entries).wire())


def tap(tap_id: str, **fields: object) -> Tap:
    values: dict[str, object] = {
        "id": tap_id,
        "name": f"Tap {tap_id}",
        "location": "main",
        "beverage_id": "pils",
        "beverage": "Pilsner",
        "price_per_litre": 620,
        "keg_id": "keg-1",
        "remaining_ml": 18_600,
        "volume_ml": 30_000,
        "state": TapState.ACTIVE,
        "online": True,
        "pending_sync": 0,
    }
    return Tap.model_validate(values | fields)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def owners() -> FakeOwners:
    return FakeOwners([tap("1"), tap("2", beverage_id="ale", beverage="Pale Ale")])


@pytest.fixture
async def board(clock: FakeClock, owners: FakeOwners) -> Board:
    board = Board(clock=clock)
    await board.load(owners)
    return board


@pytest.fixture
def envelop(clock: FakeClock) -> Envelop:
    def wrap(event: Event, *, at: datetime | None = None) -> Envelope[Any]:
        return Envelope[Any](
            id="1",
            type=event.TYPE,
            source=event.PRODUCER,
            subject="tap",
            time=at or clock.now(),
            aggregate="tap",
            version=1,
            data=event,
        )

    return wrap
