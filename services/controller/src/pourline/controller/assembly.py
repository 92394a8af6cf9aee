"""Making a tap's hardware of what its configuration names; what it does not name is simulated."""

from dataclasses import dataclass
from typing import Final

from pourline.controller.clock import Clock
from pourline.controller.configuration import Parts, ReaderPart
from pourline.controller.hardware import (
    AsideDisplay,
    DeviceDisplay,
    FlowMeter,
    Hardware,
    PrintedDisplay,
    SimulatedTap,
    Valve,
)
from pourline.controller.hardware.frames import Framed, Frames, Keys, Lines, Shape
from pourline.controller.hardware.pins import PinMeter, gpiozero
from pourline.controller.hardware.readers import DevicePort, Port, PortReader, Presence
from pourline.controller.hardware.serial import SerialPort
from pourline.controller.hardware.valve import GuardedValve
from pourline.controller.hardware.wedge import InputPort, only_wedge
from pourline.controller.settings import TapConfig

SIMULATED_RATE_ML_S: Final = 60


@dataclass(frozen=True, slots=True)
class Assembled:
    """A tap's hardware, and the hand that works what is simulated of it, if anything is."""

    hardware: Hardware
    hand: SimulatedTap | None


class TwinValve:
    """A real valve with a simulated meter behind it: both open and shut, the real one counts."""

    def __init__(self, real: Valve, simulated: Valve) -> None:
        self._both = (real, simulated)

    @property
    def is_ready(self) -> bool:
        """Whether the real one would open."""
        return self._both[0].is_ready

    @property
    def is_open(self) -> bool:
        """Whether the real one is open, as far as known."""
        return self._both[0].is_open

    def open(self, *, at_most_ms: int) -> None:
        """Open both."""
        for valve in self._both:
            valve.open(at_most_ms=at_most_ms)

    def close(self) -> None:
        """Shut both."""
        for valve in self._both:
            valve.close()


def assemble(config: TapConfig, parts: Parts, *, clock: Clock) -> Assembled:
    """Build the hardware. Raises PartMissingError, ValueError and OSError where it cannot."""
    hand = SimulatedTap(
        now_ms=clock.elapsed_ms,
        ml_per_pulse=config.rules.ml_per_pulse,
        rate_ml_s=SIMULATED_RATE_ML_S,
    )
    reader = _reader(parts.reader, clock=clock)
    if parts.valve_line and parts.valve_line.startswith("gpio:"):
        gpiozero()  # the guard needs it too, but nobody would see its error
    guarded = GuardedValve(parts.valve_line) if parts.valve_line else None
    meter = _meter(parts, hand)
    is_worked = reader is None or meter is hand
    display = (
        DeviceDisplay(parts.display) if parts.display else PrintedDisplay(f"tap {config.tap_id}")
    )
    hardware = Hardware(
        reader=reader or hand,
        valve=_valve(guarded, hand, meter),
        meter=meter,
        display=AsideDisplay(display),
        tasks=tuple(part.run for part in (guarded, reader) if part is not None),
    )
    return Assembled(hardware, hand if is_worked else None)


def _valve(guarded: GuardedValve | None, hand: SimulatedTap, meter: FlowMeter) -> Valve:
    if guarded is None:
        return hand
    return TwinValve(guarded, hand) if meter is hand else guarded


def _meter(parts: Parts, hand: SimulatedTap) -> FlowMeter:
    meter = parts.meter
    if meter.pin is None:
        return hand
    return PinMeter(meter.pin, pull=meter.pull, debounce_us=meter.debounce_us)


def _reader(part: ReaderPart, *, clock: Clock) -> PortReader | None:
    if part.kind == "simulated":
        return None
    return PortReader(
        port=_port(part),
        frames=_frames(part),
        presence=Presence(stays=part.stays),
        now_ms=clock.elapsed_ms,
    )


def _port(part: ReaderPart) -> Port:
    if part.kind == "wedge":
        return InputPort(part.path or only_wedge())
    if part.path is None:
        raise ValueError("reader.path is missing")
    if part.kind == "serial":
        return SerialPort(part.path, baud=part.baud)
    return DevicePort(part.path)


def _frames(part: ReaderPart) -> Frames:
    shape = Shape(part.lengths)
    if part.kind == "wedge":
        return Keys(shape)
    return Framed() if part.frame == "stx" else Lines(shape)
