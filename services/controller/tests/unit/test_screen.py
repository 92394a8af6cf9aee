from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pourline.controller.domain import Pour
from pourline.controller.hardware import KeptDisplay
from pourline.controller.screen import AT_REST, Screen

AT = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
POUR = Pour(
    *("p1", "000012", Decimal("300.500"), 601, AT, AT, 2_000, "boot", 0),
    price_per_litre=600,
    amount=180,
)
OTHER = replace(POUR, client_tx_id="p2", short_id="000013", amount=None)
FIRST = "Pour 000012: 300.5 ml, 1.80. Call staff."
SECOND = "Pour 000013: 300.5 ml. Call staff."


class Wall:
    """A screen whose time passes as the test says; `seen` is what a passer-by read."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.display = KeptDisplay()
        self.screen = Screen(self.display, now_ms=lambda: self.now_ms)

    def after(self, seconds: float, *, at_rest: bool = True) -> str:
        for _ in range(int(seconds * 10)):
            self.now_ms += 100
            self.screen.tick(at_rest=at_rest)
        return self.display.text


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.mark.requirement("SY-4")
def test_volume_cost_and_short_id_stand_there_until_the_answer(wall: Wall) -> None:
    wall.screen.overdue([POUR])
    assert wall.after(0.2) == FIRST
    assert wall.after(3_600) == FIRST
    wall.screen.overdue([])
    assert wall.after(0.2) == AT_REST


@pytest.mark.requirement("SY-4")
def test_a_later_guests_words_lie_over_it_and_it_comes_back(wall: Wall) -> None:
    wall.screen.overdue([POUR])
    wall.after(1)
    wall.screen.say("Up to 500 ml. Cheers!")
    assert wall.after(60, at_rest=False) == "Up to 500 ml. Cheers!"
    wall.screen.say("250 ml")
    assert wall.after(4.5) == "250 ml"
    assert wall.after(1) == FIRST


@pytest.mark.requirement("SY-4")
def test_several_are_shown_in_turn(wall: Wall) -> None:
    wall.screen.overdue([POUR, OTHER])
    seen = [wall.after(5) for _ in range(4)]
    assert seen in ([FIRST, SECOND, FIRST, SECOND], [SECOND, FIRST, SECOND, FIRST])
    wall.screen.overdue([OTHER])
    assert wall.after(1) == SECOND


def test_a_guests_last_words_stay_when_nothing_is_overdue(wall: Wall) -> None:
    wall.screen.say("250 ml")
    assert wall.after(3_600) == "250 ml"
