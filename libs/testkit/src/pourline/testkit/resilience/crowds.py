"""Everybody at once: a storm of connections, and an upgrade that restarts one after another."""

import asyncio
import contextlib
import secrets
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import psutil

from pourline.contracts.topology import SERVICES
from pourline.testkit.bar import TapSeat
from pourline.testkit.resilience.faults import Fault, Scene
from pourline.testkit.until import until

ACCEPTED: Final = 0
ANSWER_WITHIN_S: Final = 30.0
CALM_WITHIN_S: Final = 60.0
SOFT_FILES: Final = 8_192
STORM: Final = 300
"""Connections of a storm that a seed draws; two thirds of them have no right to come in."""
REPLACED_WITHIN_S: Final = 45.0
APART_S: Final = 0.5


@dataclass(kw_only=True)
class Stormed:
    """What a storm came to: answers by CONNACK's return code, None for none."""

    codes: Counter[int | None] = field(default_factory=Counter)
    wrongly_let_in: int = 0
    elapsed_s: float = 0.0


def connect_packet(client_id: str, user: str, password: str) -> bytes:
    """Return an MQTT 3.1.1 CONNECT with a clean session (OASIS, 3.1)."""
    head = _text("MQTT") + bytes([4, 0b1100_0010]) + struct.pack(">H", 60)
    body = head + _text(client_id) + _text(user) + _text(password)
    return bytes([0x10]) + _length(len(body)) + body


async def storm(mqtt_url: str, seats: Sequence[TapSeat], *, count: int) -> Stormed:
    """Connect so many times at once: a third as the seats, the others by guesses and strangers.

    A client that is let in again under its name puts the one before it out: as devices do that
    come back after a power cut.
    """
    parts = urlsplit(mqtt_url)
    assert parts.hostname
    assert parts.port
    begun_s, stormed = time.monotonic(), Stormed()
    _allow_files(count)
    tries = [_who(number, seats) for number in range(count)]
    answers = await asyncio.gather(
        *(_connect(parts.hostname, parts.port, packet) for packet, _ in tries)
    )
    for (_, is_good), code in zip(tries, answers, strict=True):
        stormed.codes[code] += 1
        stormed.wrongly_let_in += code == ACCEPTED and not is_good
    stormed.elapsed_s = time.monotonic() - begun_s
    return stormed


def _who(number: int, seats: Sequence[TapSeat]) -> tuple[bytes, bool]:
    seat = seats[number % len(seats)]
    client_id = f"tap-{seat.tap_id}"
    match number % 3:
        case 0:
            return connect_packet(client_id, client_id, seat.secret), True
        case 1:
            return connect_packet(client_id, client_id, secrets.token_hex(16)), False
        case _:
            stranger = f"tap-nobody-{number}"
            return connect_packet(stranger, stranger, secrets.token_hex(16)), False


async def _connect(host: str, port: int, packet: bytes) -> int | None:
    """Return the code of the answer; None when there is none or the door is shut."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(packet)
                answer = await reader.readexactly(4)
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError):
        return None
    return answer[3]


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _length(size: int) -> bytes:
    """Return a length as MQTT writes it, seven bits a byte (OASIS, 2.2.3)."""
    written = b""
    while True:
        size, low = divmod(size, 128)
        written += bytes([low | (0x80 if size else 0)])
        if not size:
            return written


def _allow_files(count: int) -> None:
    """Let this process hold a socket for each of them, as far as it may."""
    me = psutil.Process()
    soft, hard = me.rlimit(psutil.RLIMIT_NOFILE)
    wanted = max(soft, count + 1_024, SOFT_FILES)
    me.rlimit(psutil.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


@dataclass
class Storm(Fault):
    """So many connect at once, most of them in vain, while guests drink."""

    count: int = STORM
    target: str = "the door"
    kind: str = "connection storm"

    async def inject(self, scene: Scene) -> None:
        """Let them all knock; nobody may be let in who has no right."""
        seats = [scene.world.spare]
        stormed = await storm(scene.world.mqtt_url, seats, count=self.count)
        assert stormed.wrongly_let_in == 0, stormed


@dataclass
class RollingRestart(Fault):
    """Every service is ended cleanly and started again, one after another: an upgrade."""

    target: str = "every service"
    kind: str = "rolling restart"

    async def inject(self, scene: Scene) -> None:
        """Restart all of them, each when the one before it is back."""
        for name in SERVICES:
            old = await scene.world.process(name)
            with contextlib.suppress(psutil.NoSuchProcess):
                old.terminate()
            await _replaced(scene, name, old.pid)
            await asyncio.sleep(APART_S)


async def _replaced(scene: Scene, name: str, pid: int) -> None:
    async def is_another() -> bool:
        return (await scene.world.process(name)).pid != pid

    await until(is_another, within_s=REPLACED_WITHIN_S)
