"""TCP ports: which are free, and a clear word when one is not."""

import contextlib
import random
import socket
import time
from pathlib import Path

from pourline.local.errors import UnavailableError

LOOPBACK = "127.0.0.1"
LISTENING_PORTS = range(20_000, 32_000)
"""Below the range from which the kernel takes the ports of outgoing connections.

A server that dies and comes back must find its port free; in the kernel's own range a client that
tries to reach it may be given that very port, and be connected to itself.
"""

ADDRESS, STATE, INODE = 1, 3, 9
"""Columns of /proc/net/tcp."""
LISTENING = "0A"
ATTEMPTS = 200
LOOK_AGAIN_S = 0.05


def free_port(host: str = LOOPBACK) -> int:
    """Return a port nobody listens on, reserved for the servers of this process until it ends.

    A port is chosen well before its server listens, so two servers of one bar, or two bars on one
    machine, would now and then choose the same.
    """
    for port in random.sample(LISTENING_PORTS, ATTEMPTS):
        if _reserve(host, port):
            return port
    raise UnavailableError(f"no free port on {host}")


def _reserve(host: str, port: int) -> bool:
    """Bind the port and never listen: `free_port` anywhere is refused it, a server is not.

    A server sets SO_REUSEADDR before it binds and so shares a port with a socket that has the
    option too and does not listen (socket(7)). Without the option, nobody shares: hence we bind
    first and set it afterwards.
    """
    reservation = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        reservation.bind((host, port))
    except OSError:
        reservation.close()
        return False
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.detach()  # open until this process ends, while servers come and go
    return True


def require_free(host: str, port: int, purpose: str, *, patience_s: float = 0.0) -> None:
    """Raise UnavailableError when the port cannot be listened on within the given time."""
    deadline = time.monotonic() + patience_s
    while not is_free(host, port):
        if time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_S)
            continue
        raise UnavailableError(f"{purpose} port {port} on {host} is in use or not ours to take")


def is_free(host: str, port: int) -> bool:
    """Return whether one could listen there right now."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listens(pid: int, port: int) -> bool:
    """Return whether it is this process that listens on a port; yes where Linux' /proc is not.

    The kernel lists each listening socket with its inode, and each process' files with theirs
    (proc(5)).
    """
    tables = [path for name in ("tcp", "tcp6") if (path := Path("/proc/net", name)).exists()]
    rows = [line.split() for path in tables for line in path.read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[INODE]}]"
        for row in rows
        if row[STATE] == LISTENING and int(row[ADDRESS].rpartition(":")[2], 16) == port
    }
    return not tables or bool(sockets & _open_files(pid))


def _open_files(pid: int) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):  # the process has ended
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(str(file.readlink()))
    return found


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def local_address(host: str) -> str:
    """Return where a client on this machine finds a server that listens on `host`."""
    return {"0.0.0.0": LOOPBACK, "::": "[::1]", "": LOOPBACK}.get(host, host)  # noqa: S104 - compared
