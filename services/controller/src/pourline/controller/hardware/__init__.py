"""What a tap is made of: the parts as protocols, the real ones, and the simulated tap."""

from pourline.controller.hardware.displays import (
    AsideDisplay,
    DeviceDisplay,
    KeptDisplay,
    PrintedDisplay,
)
from pourline.controller.hardware.parts import (
    CardReader,
    Display,
    FlowMeter,
    Hardware,
    PartMissingError,
    Valve,
)
from pourline.controller.hardware.simulated import SimulatedTap

__all__ = [
    "AsideDisplay",
    "CardReader",
    "DeviceDisplay",
    "Display",
    "FlowMeter",
    "Hardware",
    "KeptDisplay",
    "PartMissingError",
    "PrintedDisplay",
    "SimulatedTap",
    "Valve",
]
