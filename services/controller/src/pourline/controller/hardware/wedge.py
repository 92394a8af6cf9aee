"""Readers that pose as a keyboard: `/dev/input/event…`, taken away from the console."""

import fcntl
from pathlib import Path
from typing import Final

from pourline.controller.hardware.readers import DevicePort

_GRAB: Final = 0x40044590
"""EVIOCGRAB of linux/input.h: events go to this file alone, so that no id is typed into a shell."""


class InputPort(DevicePort):
    """An input device of the kernel."""

    def open(self) -> int:
        """Open and grab it. Raises OSError, also where the file is no input device."""
        number = super().open()
        try:
            fcntl.ioctl(number, _GRAB, 1)
        except OSError:
            self.close()
            raise
        return number


def only_wedge(folder: Path = Path("/dev/input/by-id")) -> Path:
    """Return the one keyboard of the machine. Raises ValueError where there is none, or several."""
    found = sorted(folder.glob("*-event-kbd"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"reader.path must be given: keyboards found: {names}")
    return found[0]
