"""The pins of a Raspberry Pi, by gpiozero: the flow meter's input, the valve driver's output."""

import importlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pourline.controller.domain import Flow
from pourline.controller.hardware.parts import PartMissingError

if TYPE_CHECKING:
    from gpiozero.pins import Factory

DEBOUNCE_US: Final = 500
"""An edge sooner after the last one is a bounce: no beer meter makes 2,000 pulses a second."""


def gpiozero() -> Any:  # noqa: ANN401 - a library without types
    """Return the pin library. Raises PartMissingError where it is not installed."""
    try:
        return importlib.import_module("gpiozero")
    except ModuleNotFoundError as error:
        raise PartMissingError("gpiozero") from error


class PinMeter:
    """Counts the falling edges of an open-collector flow meter.

    Edges come in a thread of the pin library, with the kernel's times; the debounce uses those, so
    that a busy process neither loses pulses nor makes any up.
    """

    def __init__(
        self,
        pin: int,
        *,
        pull: str = "up",
        debounce_us: int = DEBOUNCE_US,
        factory: "Factory | None" = None,
    ) -> None:
        self._factory = factory or gpiozero().Device.ensure_pin_factory()
        self._debounce_s = debounce_us / 1_000_000
        self._lock = threading.Lock()
        self._pulses = 0
        self._last_edge: float | None = None
        self._restarted_s = self._last_pulse_s = time.monotonic()
        self._factory.reserve_pins(self, pin)
        self._pin = self._factory.pin(pin)
        self._pin.input_with_pull(pull)
        self._pin.edges = "falling"
        self._pin.when_changed = self._fell

    def restart(self) -> Flow:
        """Count from zero; return what was counted, so that no pulse falls in between."""
        with self._lock:
            before = self._flow()
            self._pulses = 0
            self._restarted_s = self._last_pulse_s = time.monotonic()
        return before

    def read(self) -> Flow:
        """Return what was counted since the restart."""
        with self._lock:
            return self._flow()

    def close(self) -> None:
        """Give the pin back."""
        self._pin.when_changed = None
        self._factory.release_pins(self, self._pin.info.name)
        self._pin.close()

    def _flow(self) -> Flow:
        return Flow(self._pulses, int((self._last_pulse_s - self._restarted_s) * 1000))

    def _fell(self, ticks: float, _state: bool) -> None:  # noqa: FBT001 - as the library calls it
        with self._lock:
            if self._last_edge is None or self._since(self._last_edge, ticks) >= self._debounce_s:
                self._pulses += 1
                self._last_pulse_s = time.monotonic()
            self._last_edge = ticks

    def _since(self, earlier: float, later: float) -> float:
        """Return the seconds between two ticks; what a tick is, only the pin library knows."""
        return float(self._factory.ticks_diff(later, earlier))


class ValvePin:
    """The output that switches the valve's driver; low, the valve is shut, unless `active_low`."""

    def __init__(
        self, pin: int, *, active_low: bool = False, factory: "Factory | None" = None
    ) -> None:
        device = gpiozero().OutputDevice
        self._output = device(
            pin, active_high=not active_low, initial_value=False, pin_factory=factory
        )

    def set(self, *, to_open: bool) -> None:
        """Drive the pin."""
        self._output.value = to_open

    def close(self) -> None:
        """Drive it shut and give it back: an input, which the pull-down keeps shut."""
        self._output.off()
        self._output.close()
