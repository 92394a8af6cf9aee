"""The foreign broker as the handlers see it."""

from collections.abc import Sequence

import pytest
from pourline.mqtt_bridge.handlers import Received


class Giver:
    """Gives messages and notes which were acknowledged, in which order."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.asked_again = 0

    def acknowledge(self, messages: Sequence[Received]) -> None:
        self.acknowledged += [message.mid for message in messages if message.qos]

    def give_again(self) -> None:
        self.asked_again += 1


@pytest.fixture
def giver() -> Giver:
    return Giver()
