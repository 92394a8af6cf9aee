import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pourline.controller.clock import SystemClock
from pourline.controller.hardware.frames import Framed, Keys, Lines
from pourline.controller.hardware.readers import (
    BlockingReader,
    DevicePort,
    Port,
    PortReader,
    Presence,
)
from pourline.controller.hardware.serial import SerialPort
from pourline.controller.hardware.wedge import InputPort, only_wedge

from services.controller.tests.conftest import until
from services.controller.tests.unit.test_frames import GOOD, typed


class Plugged:
    """A reader under test and what it has said."""

    def __init__(self, port: Port, frames: Framed | Lines | Keys, presence: Presence) -> None:
        self.reader = PortReader(port, frames, presence, SystemClock().elapsed_ms)
        self.said: list[str | None] = []

    async def listen(self) -> None:
        while True:
            self.said.append(await self.reader.next_card())


@contextlib.asynccontextmanager
async def plugged(
    port: Port, frames: Framed | Lines | Keys, presence: Presence | None = None
) -> AsyncIterator[Plugged]:
    under_test = Plugged(port, frames, presence or Presence())
    tasks = [
        asyncio.create_task(under_test.listen()),
        asyncio.create_task(under_test.reader.run()),
    ]
    yield under_test
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.fixture
def terminal() -> Iterator[tuple[int, Path]]:
    """A serial line: our end, and the path of the controller's."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, Path(os.ttyname(theirs))
    os.close(ours)
    os.close(theirs)


async def test_a_serial_reader_reads_frames_from_a_terminal(terminal: tuple[int, Path]) -> None:
    end, path = terminal
    async with plugged(SerialPort(path), Framed()) as one:
        await until(lambda: one.reader._number is not None)  # noqa: SLF001 - it is open
        os.write(end, b"\x0278003E5C1E05\x03" + GOOD[:5])
        os.write(end, GOOD[5:])
        await until(lambda: bool(one.said))
    assert one.said == ["78003E5C1E"]


async def test_a_wedges_key_presses_become_a_card(tmp_path: Path) -> None:
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    async with plugged(DevicePort(pipe), Keys()) as one:
        os.write(writer, typed("04A1B2C3\n"))
        await until(lambda: bool(one.said))
    os.close(writer)
    assert one.said == ["04A1B2C3"]


@pytest.mark.long
async def test_a_reader_that_is_unplugged_is_found_again(tmp_path: Path) -> None:
    pipe = tmp_path / "reader"
    async with plugged(DevicePort(pipe), Lines()) as one:
        await asyncio.sleep(0)
        os.mkfifo(pipe)
        for card in ("04a1b2c3", "04d4e5f6"):
            await until(lambda: one.reader._number is not None)  # noqa: SLF001 - it is open
            writer = os.open(pipe, os.O_WRONLY)
            os.write(writer, f"{card}\n".encode())
            await until(lambda card=card: card in one.said)  # type: ignore[misc]
            os.close(writer)
            await until(lambda: one.reader._number is None)  # noqa: SLF001 - it was closed
    assert one.said == ["04a1b2c3", "04d4e5f6"]


async def test_silence_of_a_reader_that_repeats_means_that_the_card_was_taken(
    terminal: tuple[int, Path],
) -> None:
    end, path = terminal
    async with plugged(SerialPort(path), Framed(), Presence(stays=True, gone_ms=150)) as one:
        await until(lambda: one.reader._number is not None)  # noqa: SLF001 - it is open
        for _ in range(3):
            os.write(end, GOOD)
        await until(lambda: one.said[-1:] == [None])
    assert one.said == ["78003E5C1E", None]


def test_a_reader_that_says_an_id_once_shows_the_same_card_again_after_a_while() -> None:
    presence = Presence()
    assert presence.seen("aa", 0) == ["aa"]
    assert presence.seen("aa", 900) == []
    assert presence.seen("aa", 2_300) == []
    assert presence.seen("aa", 4_000) == ["aa"]
    assert presence.seen("bb", 4_100) == ["bb"]
    assert presence.passed(99_000) == []


def test_a_reader_that_repeats_tells_of_a_card_that_replaced_another() -> None:
    presence = Presence(stays=True)
    assert presence.seen("aa", 0) == ["aa"]
    assert presence.seen("aa", 600) == []
    assert presence.seen("bb", 700) == [None, "bb"]
    assert presence.passed(1_300) == []
    assert presence.passed(1_400) == [None]
    assert presence.seen("bb", 1_500) == ["bb"]


async def test_a_library_that_only_blocks_reads_from_a_thread_of_its_own() -> None:
    cards = iter(["04a1b2c3", None])
    reader = BlockingReader(lambda: next(cards))
    assert [await reader.next_card(), await reader.next_card()] == ["04a1b2c3", None]


def test_what_is_no_input_device_cannot_be_grabbed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "no-keyboard")
    with pytest.raises(OSError, match="ioctl"):
        InputPort(tmp_path / "no-keyboard").open()


def test_the_only_keyboard_is_the_wedge_and_two_must_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none"):
        only_wedge(tmp_path)
    (tmp_path / "usb-reader-event-kbd").touch()
    assert only_wedge(tmp_path).name == "usb-reader-event-kbd"
    (tmp_path / "usb-keyboard-event-kbd").touch()
    with pytest.raises(ValueError, match="usb-keyboard-event-kbd, usb-reader-event-kbd"):
        only_wedge(tmp_path)
