"""Disks without room: a small disk of its own where we may mount one, else a limit on files.

The limit is the kernel's on the size of any file that a process writes (RLIMIT_FSIZE); it needs no
right but to own the process, and a write beyond it fails as one to a full disk does.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from pourline.testkit.ending import end
from pourline.testkit.resilience.faults import Fault, Scene
from pourline.testkit.resilience.world import World

LIMITED_EVERY_S: Final = 0.1
"""A process that is started anew while the disk is full finds it full, this soon."""
SIZE: Final = "700m"
PAGE: Final = 4096


@dataclass(frozen=True)
class SmallDisk:
    """A mounted tmpfs; full is one that is as large as what lies on it."""

    folder: Path

    def fill(self) -> None:
        """Leave no room."""
        disk = os.statvfs(self.folder)
        self._resize(str(max((disk.f_blocks - disk.f_bfree) * disk.f_frsize, PAGE)))

    def free(self) -> None:
        """Give all the room back."""
        self._resize(SIZE)

    def _resize(self, size: str) -> None:
        options = f"remount,size={size}"
        subprocess.run([_tool("mount"), "-o", options, str(self.folder)], check=True)  # noqa: S603


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk | None]:
    """Mount a disk of its own in the place of a folder; None where we may not."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={SIZE},mode=0700"
    command = [_tool("mount"), "-t", "tmpfs", "-o", options, "none", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    if done.returncode:
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run([_tool("umount"), "-l", str(folder)], check=True)  # noqa: S603


@dataclass
class FillDisk(Fault):
    """The disk of a server, or of the controllers, has no room, until it has again."""

    target: str
    kind: str = "disk full"
    disk: SmallDisk | None = field(default=None, repr=False)
    _limiting: asyncio.Task[None] | None = field(default=None, repr=False)

    async def inject(self, scene: Scene) -> None:
        """Leave no room."""
        if self.disk:
            self.disk.fill()
            return
        self._limiting = asyncio.create_task(self._limit(scene))

    async def heal(self, scene: Scene) -> None:
        """Give the room back."""
        if self.disk:
            self.disk.free()
        if self._limiting:
            await end(self._limiting)
            await self._to_all(scene, psutil.RLIM_INFINITY)

    async def _limit(self, scene: Scene) -> None:
        while True:
            await self._to_all(scene, 0)
            await asyncio.sleep(LIMITED_EVERY_S)

    async def _to_all(self, scene: Scene, size: int) -> None:
        for process in await self._writers(scene):
            with contextlib.suppress(psutil.Error):
                process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))

    async def _writers(self, scene: Scene) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            top = await self._top(scene.world, scene)
            return [top, *top.children(recursive=True)]
        return []

    async def _top(self, world: World, scene: Scene) -> psutil.Process:
        if self.target == "controllers":
            return scene.controllers.running()
        return await world.process(self.target)


def _tool(name: str) -> str:
    """Return where a program of the system lies; one that is missing is called by its name."""
    return shutil.which(name) or f"/bin/{name}"
