"""Ports: reserved from the choice on, and the reservation stands in no server's way."""

import asyncio
import os
import socket
import subprocess
import sys

import pytest
from pourline.local import ports
from pourline.local.errors import UnavailableError
from pourline.local.ports import LOOPBACK, free_port, is_free, listens, require_free

FEW = range(31_990, 32_000)
TAKE_ONE = """
import sys
from pourline.local import ports
ports.LISTENING_PORTS = range(int(sys.argv[1]), int(sys.argv[1]) + 1)
ports.ATTEMPTS = 1
print(ports.free_port())
"""


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LISTENING_PORTS", FEW)
    monkeypatch.setattr(ports, "ATTEMPTS", len(FEW))
    given: list[int] = []
    with pytest.raises(UnavailableError, match="no free port"):
        given.extend(free_port() for _ in range(len(FEW) + 1))
    assert given
    assert len(given) == len(set(given))


def test_another_process_is_not_given_our_port() -> None:
    port = free_port()
    other = subprocess.run(
        [sys.executable, "-c", TAKE_ONE, str(port)], capture_output=True, text=True, check=False
    )
    assert other.returncode != 0
    assert "no free port" in other.stderr


async def test_a_server_listens_on_a_reserved_port_and_again_after_its_end() -> None:
    port = free_port()
    for _ in range(2):
        assert is_free(LOOPBACK, port)
        server = await asyncio.start_server(lambda _r, w: w.close(), LOOPBACK, port)
        async with server:
            assert not is_free(LOOPBACK, port)
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            assert await reader.read() == b""
            writer.close()
            with pytest.raises(UnavailableError, match=f"http port {port}"):
                require_free(LOOPBACK, port, "http")


def test_nobody_is_connected_to_a_port_that_is_only_reserved() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, free_port()))


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
def test_who_listens_is_told_by_process_and_port(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((host, 0))
        port = server.getsockname()[1]
        assert not listens(os.getpid(), port)
        server.listen()
        assert listens(os.getpid(), port)
        assert not listens(os.getppid(), port)
        assert not listens(os.getpid(), port + 1)
    assert not listens(os.getpid(), port)
