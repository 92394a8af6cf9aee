"""TCP ports: which are free, and a clear word when one is not."""

import random
import socket
import time

from pourline.local.errors import UnavailableError

LOOPBACK = "127.0.0.1"
LISTENING_PORTS = range(20_000, 32_000)
"""Below the range from which the kernel takes the ports of outgoing connections.

A server that dies and comes back must find its port free; in the kernel's own range a client that
tries to reach it may be given that very port, and be connected to itself.
"""

ATTEMPTS = 200
LOOK_AGAIN_S = 0.05


def free_port(host: str = LOOPBACK) -> int:
    """Return a port nobody listens on; another may still take it before we do."""
    for port in random.sample(LISTENING_PORTS, ATTEMPTS):
        if is_free(host, port):
            return port
    raise UnavailableError(f"no free port on {host}")


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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def local_address(host: str) -> str:
    """Return where a client on this machine finds a server that listens on `host`."""
    return {"0.0.0.0": LOOPBACK, "::": "[::1]", "": LOOPBACK}.get(host, host)  # noqa: S104 - compared
