import time
from collections.abc import Iterator

import pytest
from gpiozero.pins.mock import MockFactory
from pourline.controller.hardware.guard import Guard, line_of
from pourline.controller.hardware.pins import PinMeter, ValvePin

METER, VALVE = 17, 27


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    factory = MockFactory()
    yield factory
    factory.reset()


def pulse(factory: MockFactory, times: int = 1, *, apart_s: float = 0.0) -> None:
    for _ in range(times):
        factory.pin(METER).drive_low()
        factory.pin(METER).drive_high()
        time.sleep(apart_s)


def test_each_falling_edge_is_a_pulse(factory: MockFactory) -> None:
    meter = PinMeter(METER, debounce_us=0, factory=factory)
    assert meter.read().pulses == 0
    pulse(factory, 541)
    assert meter.read().pulses == 541


def test_a_restart_counts_from_zero_and_hands_over_what_was_counted(factory: MockFactory) -> None:
    meter = PinMeter(METER, debounce_us=0, factory=factory)
    pulse(factory, 7)
    assert meter.restart().pulses == 7
    pulse(factory, 3)
    assert (meter.read().pulses, meter.restart().pulses, meter.read().pulses) == (3, 3, 0)


class SteppedFactory(MockFactory):  # type: ignore[misc] # a library without types
    """Pins between whose edges passes what the test says, by the kernel's clock."""

    apart_s = 0.0

    def ticks_diff(self, later: float, earlier: float) -> float:
        """Return the seconds between two edges."""
        del later, earlier
        return self.apart_s


def test_edges_that_bounce_are_one_pulse() -> None:
    factory = SteppedFactory()
    meter = PinMeter(METER, debounce_us=5_000, factory=factory)
    for _ in range(10):
        factory.apart_s = 0.009
        pulse(factory)
        factory.apart_s = 0.004
        pulse(factory, 7)
    assert meter.read().pulses == 10
    factory.reset()


def test_the_meters_time_runs_to_its_last_pulse(factory: MockFactory) -> None:
    meter = PinMeter(METER, debounce_us=0, factory=factory)
    assert meter.read().run_ms == 0
    pulse(factory, 3, apart_s=0.02)
    first = meter.read().run_ms
    assert first >= 40
    time.sleep(0.02)  # nothing runs
    assert meter.read().run_ms == first


def test_a_meter_gives_its_pin_back(factory: MockFactory) -> None:
    PinMeter(METER, factory=factory).close()
    assert PinMeter(METER, factory=factory).read().pulses == 0


@pytest.mark.parametrize("opened", [True, False])
def test_a_valve_pin_is_shut_from_the_start_and_when_it_is_let_go(
    factory: MockFactory, *, opened: bool
) -> None:
    line = ValvePin(VALVE, active_low=not opened, factory=factory)
    pin = factory.pin(VALVE)
    assert bool(pin.state) is not opened
    line.set(to_open=True)
    assert bool(pin.state) is opened
    line.close()
    assert pin.function == "input"


class Watched:
    """A guard on a mock pin, whose time passes as the test says."""

    def __init__(self, factory: MockFactory) -> None:
        self.now_s = 100.0
        self.told: list[str] = []
        line = ValvePin(VALVE, factory=factory)
        self.guard = Guard(line, self.told.append, silence_s=1.0, now_s=lambda: self.now_s)
        self._pin = factory.pin(VALVE)

    @property
    def is_open(self) -> bool:
        return bool(self._pin.state)

    def after(self, seconds: float, *, beats: bool = True) -> bool:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            if beats:
                self.guard.hear("beat")
            self.guard.look()
        return self.is_open


@pytest.fixture
def watched(factory: MockFactory) -> Watched:
    return Watched(factory)


def test_a_guard_shuts_before_anything_else_and_opens_when_told(watched: Watched) -> None:
    assert not watched.is_open
    watched.guard.hear("open 1 20000")
    assert watched.after(19.5)
    watched.guard.hear("shut 2")
    assert not watched.is_open
    assert [text for text in watched.told if text != "alive"] == [
        *("shut 0 start", "open 1", "shut 2 told"),
    ]


def test_a_guard_shuts_when_the_time_is_over(watched: Watched) -> None:
    watched.guard.hear("open 1 3000")
    assert watched.after(2.8)
    assert not watched.after(0.4)
    assert "shut 1 time" in watched.told[-2:]


def test_a_guard_shuts_when_the_controller_is_silent(watched: Watched) -> None:
    watched.guard.hear("open 1 60000")
    assert watched.after(0.8, beats=False)
    assert watched.after(30)
    assert not watched.after(1.2, beats=False)
    assert watched.told[-1] == "shut 1 silence"
    assert not watched.after(5), "a beat alone opens nothing"


@pytest.mark.parametrize("text", ["", "open", "open 1", "open 1 soon", "open 1 -5", "close", "\0"])
def test_what_a_guard_does_not_understand_opens_nothing(watched: Watched, text: str) -> None:
    watched.guard.hear(text)
    assert not watched.is_open


@pytest.mark.parametrize("text", ["", "gpio", "gpio:", "gpio:x", "gpio:1:high", "file:", "usb:1"])
def test_a_line_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a line"):
        line_of(text)
