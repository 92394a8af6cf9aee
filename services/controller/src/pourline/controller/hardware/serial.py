"""Readers on a serial line, by pyserial."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from pourline.controller.hardware.parts import PartMissingError

if TYPE_CHECKING:
    from serial import Serial


class SerialPort:
    """A serial line, 8N1."""

    def __init__(self, path: Path, *, baud: int = 9600) -> None:
        try:
            self._library = importlib.import_module("serial")
        except ModuleNotFoundError as error:
            raise PartMissingError("pyserial") from error
        self._path = path
        self._baud = baud
        self._line: Serial | None = None

    def open(self) -> int:
        """Open the line, empty. Raises OSError, as pyserial's errors are."""
        line = self._library.Serial(str(self._path), self._baud, timeout=0, exclusive=True)
        line.reset_input_buffer()
        self._line = line
        return int(line.fileno())

    def close(self) -> None:
        """Close the line."""
        if self._line is not None:
            self._line.close()
            self._line = None
