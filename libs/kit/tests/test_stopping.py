"""A service that is told to stop first finishes what it has in hand, then ends its loops."""

import subprocess
import sys

PROGRAM = """
import asyncio, os, signal
from pourline.kit import run
from pourline.kit.settings import ServiceSettings

run.STOP_WAIT_S = 60

async def build():
    turned = asyncio.Event()

    async def loop():
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            while True:
                turned.set()
                await asyncio.sleep(0.01)
        finally:
            print("loop ended")

    async def finish():
        turned.clear()
        await turned.wait()
        print("finished while the loop turns")
        run.STOP_WAIT_S = 0.2

    async def never():
        try:
            await asyncio.Event().wait()
        finally:
            print("waited for no longer")

    async def close():
        print("closed")

    return run.Service(loops={"loop": loop}, finishers=[finish, never], closers=[close])

raise SystemExit(run.run_service(ServiceSettings(service="shift"), build))
"""


def test_what_finishes_does_so_while_the_loops_turn_and_is_not_waited_for_for_ever() -> None:
    ended = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "finished while the loop turns",
        "waited for no longer",
        "loop ended",
        "closed",
    ]
