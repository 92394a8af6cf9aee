"""Child processes: started so that none outlives us, watched without threads, ended for certain.

What runs, and when it is started again, is the supervisor's affair.
"""

import asyncio
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_S = 0.02
"""How often a condition that has no event of its own is looked at."""

TO_PEOPLE = "pourline: "
"""How a line begins that a command of ours says to people."""

LOG_LIMIT_BYTES = 10 * 1024 * 1024
"""A log larger than this is put aside when its process is first started."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The account a server runs as when we are root and it refuses to be."""

    uid: int
    gid: int
    reach_private_folders: bool


@dataclass(frozen=True, kw_only=True)
class Command:
    """Everything needed to start one process, any number of times."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path | None = None
    identity: Identity | None = None
    stop_signal: signal.Signals = signal.SIGTERM


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start the command in its own session, dying with the calling thread (not later than us).

    Without a log its stdout and stderr are ours.
    """
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid())]
    argv = [*launcher, *_identity_options(command.identity), "--", *command.argv]
    with ExitStack() as after:
        output = after.enter_context(command.log.open("ab")) if command.log else None
        return subprocess.Popen(
            argv,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def exited(process: subprocess.Popen[bytes]) -> int:
    """Wait for the process to end and return its exit code (negative: the signal)."""
    if sys.platform != "linux":
        while process.poll() is None:  # noqa: ASYNC110 - no event outside Linux
            await asyncio.sleep(POLL_S)
        return process.wait()
    descriptor = os.pidfd_open(process.pid)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


async def stop(process: subprocess.Popen[bytes], by: signal.Signals, *, within_s: float) -> None:
    """Ask the process to end; after the deadline end it and whatever it started."""
    try:
        if process.poll() is None:
            process.send_signal(by)
            await asyncio.wait_for(exited(process), within_s)
    except TimeoutError:
        pass
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and its session at once; the same as `kill -9` to each."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def unprivileged(*folders: Path) -> Identity | None:
    """Return the account to run a server as that refuses root; none when we are not root.

    The folders are those which the server must reach.
    """
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    closed = any(_is_closed(parent) for folder in folders for parent in folder.resolve().parents)
    return Identity(uid=nobody.pw_uid, gid=nobody.pw_gid, reach_private_folders=closed)


def last_line(log: Path) -> str:
    """Return the last line of a log, for a one-line explanation of why its process ended."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1] if lines else "it said nothing"


def told(log: Path, *, since: int) -> list[str]:
    """Return what a command of ours said to people after so many bytes of its log."""
    with log.open("rb") as lines:
        lines.seek(since)
        text = lines.read().decode(errors="replace")
    return [
        line.removeprefix(TO_PEOPLE) for line in text.splitlines() if line.startswith(TO_PEOPLE)
    ]


def rotate(log: Path) -> None:
    """Put a large log aside (one generation), so that a crash loop cannot fill the disk."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def _identity_options(identity: Identity | None) -> list[str]:
    if identity is None:
        return []
    options = ["--uid", str(identity.uid), "--gid", str(identity.gid)]
    return [*options, "--reach-private-folders"] if identity.reach_private_folders else options


def _is_closed(folder: Path) -> bool:
    return not folder.stat().st_mode & stat.S_IXOTH
