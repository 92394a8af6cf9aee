"""What a child does last as itself: tie its life to its parent, drop rights, become the command.

A script of its own, standard library only, run as `python -I -S launch.py …`: doing this between
fork and exec inside the parent is unsafe as soon as the parent has threads. It replaces itself, so
the process keeps its id and shows the real command line.
"""

import argparse
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def main() -> None:
    """Become the command after `--`; 127 when it cannot be started."""
    options = _parser().parse_args()
    try:
        if options.uid is not None:
            _become(options.uid, options.gid, reach_private_folders=options.reach_private_folders)
        _die_with(options.parent)
        os.execv(options.command[0], options.command)  # noqa: S606 - becoming the command is the point
    except OSError as error:
        sys.exit(f"cannot start {options.command[0]}: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--reach-private-folders", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser


def _die_with(parent: int) -> None:
    """Be killed when the parent dies; set after the change of user, which would clear it."""
    if sys.platform != "linux":
        return
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def _become(uid: int, gid: int, *, reach_private_folders: bool) -> None:
    """Leave root; keep one right if the way to our own folder leads through closed ones.

    A data folder may lie below a directory that only root may enter. Opening other people's
    directories is not ours to do, so the server keeps CAP_DAC_OVERRIDE and nothing else. The
    secure bit makes access(2), by which PostgreSQL looks for its programs, respect that right.
    """
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    if reach_private_folders:
        _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setresuid(uid, uid, uid)
    if reach_private_folders:
        _keep_only(1 << CAP_DAC_OVERRIDE)
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _keep_only(capabilities: int) -> None:
    """Set effective, permitted and inheritable to this set (capset(2), version 3)."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(capabilities, capabilities, capabilities, 0, 0, 0)
    if _libc().capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "the right to pass closed folders was refused")


def _prctl(option: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if _libc().prctl(ctypes.c_int(option), *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} was refused")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main()
