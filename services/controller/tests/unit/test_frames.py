import struct

import pytest
from pourline.controller.hardware.frames import Framed, Frames, Keys, Lines, Shape

GOOD = b"\x0278003E5C1E04\x03"
"""A card as its reader prints it: 78 003E5C1E, and 04 is the XOR of the five bytes."""


def key(code: int, value: int = 1, kind: int = 1) -> bytes:
    return struct.pack("llHHi", 0, 0, kind, code, value)


def typed(text: str) -> bytes:
    """Return the presses and releases of a wedge reader that types this."""
    numbers = (*range(2, 12), 30, 48, 46, 32, 18, 33, 28, 12, 39, 45)
    codes = dict(zip("1234567890ABCDEF\n-:x", numbers, strict=True))
    events = [key(codes[each], value) + key(0, 0, 0) for each in text for value in (1, 0)]
    return b"".join(events)


def fed(frames: Frames, *pieces: tuple[int, bytes]) -> list[str]:
    return [text for now_ms, data in pieces for text in frames.feed(data, now_ms)]


@pytest.mark.parametrize(
    "line", ["04a1b2c3", "04:A1:B2:C3", "1432822573", "55-67-23-2D", "04A1B2C3D4E580"]
)
def test_a_line_is_sent_as_the_reader_gives_it(line: str) -> None:
    assert fed(Lines(), (0, f"{line}\r\n".encode())) == [line]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_line_may_come_in_pieces(cut: int) -> None:
    whole = b"04a1b2c3\n"
    assert fed(Lines(), (0, whole[:cut]), (40, whole[cut:])) == ["04a1b2c3"]


@pytest.mark.parametrize(
    "data",
    [
        *(b"04a\n", b"hello\n", b"04a1b2g3\n", b"\n", b"04 a1  b2\n", b"\xff\xfe04a1\n"),
        *(b"04a1b2c3", b"0" * 65 + b"\n", b"0" * 5_000 + b"\n", b"-04a1b2c3\n", b"\x00\x00\x00\n"),
    ],
)
def test_a_line_that_is_no_id_is_dropped_and_the_next_is_read(data: bytes) -> None:
    frames = Lines()
    assert fed(frames, (0, data)) == []
    assert fed(frames, (5_000, b"04a1b2c3\n")) == ["04a1b2c3"]


def test_the_tail_of_a_line_after_a_pause_is_no_shorter_card() -> None:
    frames = Lines(Shape(lengths=(8,)))
    assert fed(frames, (0, b"04a1"), (600, b"b2c3\n")) == []
    assert fed(frames, (700, b"b2c3d4\n")) == []
    assert fed(frames, (800, b"04a1b2c3\n")) == ["04a1b2c3"]


@pytest.mark.parametrize("data", [GOOD, b"\x0278003E5C1E04\r\n\x03", b"noise" + GOOD + b"noise"])
def test_a_frame_with_the_right_checksum_is_a_card(data: bytes) -> None:
    assert fed(Framed(), (0, data)) == ["78003E5C1E"]


@pytest.mark.parametrize(
    "data",
    [
        *(b"\x0278003E5C1E05\x03", b"\x0278003E5C1F04\x03", b"\x0278003E5C1E04", GOOD[1:]),
        *(b"\x02\x03", b"\x02" + b"0" * 100 + b"\x03", b"\x027800\x03", b"\x02zz003E5C1E04\x03"),
    ],
)
def test_a_frame_that_is_cut_or_garbled_is_dropped_and_the_next_is_read(data: bytes) -> None:
    frames = Framed()
    assert fed(frames, (0, data)) == []
    assert fed(frames, (100, GOOD)) == ["78003E5C1E"]


def test_any_single_changed_bit_of_a_frame_makes_no_other_card() -> None:
    for place in range(len(GOOD)):
        for bit in range(8):
            changed = bytearray(GOOD)
            changed[place] ^= 1 << bit
            assert [text.upper() for text in fed(Framed(), (0, bytes(changed)))] in (
                [],
                ["78003E5C1E"],
            )


@pytest.mark.parametrize("text", ["04A1B2C3", "1432822573", "04-A1-B2-C3", "04:A1:B2:C3"])
def test_a_wedge_types_an_id_and_enter(text: str) -> None:
    assert fed(Keys(), (0, typed(f"{text}\n"))) == [text]


@pytest.mark.parametrize("cut", [1, 23, 24, 25, 100])
def test_key_events_may_come_in_pieces(cut: int) -> None:
    events = typed("04A1B2C3\n")
    assert fed(Keys(), (0, events[:cut]), (10, events[cut:])) == ["04A1B2C3"]


def test_the_key_pad_types_digits_and_its_own_enter() -> None:
    pad = (82, 79, 80, 81, 75, 76, 77, 71, 72, 73, 96)
    assert fed(Keys(), (0, b"".join(map(key, pad)))) == ["0123456789"]


@pytest.mark.parametrize(
    "events",
    [
        *(typed("04Ax\n"), typed("04A\n"), typed("\n"), typed("04A1B2C3"), typed("1" * 70 + "\n")),
        typed("04A1") + key(3, 0, 0) + typed("B2C3\n"),
        b"".join(key(30, 2) for _ in range(8)) + typed("\n"),
    ],
)
def test_keys_that_spell_no_id_are_dropped_and_the_next_card_is_read(events: bytes) -> None:
    frames = Keys()
    assert fed(frames, (0, events)) == []
    assert fed(frames, (5_000, typed("04A1B2C3\n"))) == ["04A1B2C3"]


def test_a_shift_before_a_capital_changes_nothing() -> None:
    events = key(42) + typed("04A1B2C3") + key(42, 0) + typed("\n")
    assert fed(Keys(), (0, events)) == ["04A1B2C3"]
