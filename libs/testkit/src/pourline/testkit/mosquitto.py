"""A Mosquitto of a test's own, on a free port of the loopback, with the committed configuration."""

import asyncio
import getpass
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pourline.local.ports import LOOPBACK, free_port
from pourline.testkit.until import until

STOP_WITHIN_S = 10.0
BRIDGE_PASSWORD = "between two brokers"
SCREEN_PASSWORD = "on the wall"
EYES_PASSWORD = "a test's own"
SETTLED_S = 0.05


class Mosquitto:
    """One broker in a folder; `template` is the folder with its configuration and its ACL."""

    def __init__(self, folder: Path, *, template: Path) -> None:
        self.port = free_port()
        self._store = folder / "store"
        self._configuration = folder / "mosquitto.conf"
        self._passwords = folder / "passwords"
        self._acl = folder / "acl"
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self._store.mkdir()
        self._passwords.touch()
        self._configuration.write_text(self._filled(template / "mosquitto.conf"))
        eyes = "\nuser eyes\ntopic readwrite #\n"
        self._acl.write_text((template / "pourline.acl").read_text() + eyes)
        self._add_user("mqtt-bridge", BRIDGE_PASSWORD)
        self._add_user("screen-1", SCREEN_PASSWORD)
        self._add_user("eyes", EYES_PASSWORD)

    @property
    def url(self) -> str:
        """The address without credentials."""
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def bridge_url(self) -> str:
        """The address with the bridge's user."""
        password = BRIDGE_PASSWORD.replace(" ", "%20")
        return f"mqtt://mqtt-bridge:{password}@{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            # Not asyncio's: a broker may outlive the event loop that started it.
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603
                [executable(), "-c", str(self._configuration)], stdout=log, stderr=log
            )
        await until(self._listens)

    async def stop(self) -> None:
        """Stop it as an administrator does; it saves its store."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it at once; what it had not saved is gone."""
        await self._end(signal.SIGKILL)

    def wipe(self) -> None:
        """Remove everything it saved."""
        shutil.rmtree(self._store)
        self._store.mkdir()

    async def admit_tap(self, tap_id: str, secret: str) -> None:
        """Give a tap its user and its topics, as an administrator does."""
        root = f"bar/main/tap/{tap_id}"
        said = [f"write {root}/{name}" for name in ("authorize", "flow", "pour", "status")]
        heard = ("authorize/result", "pour/result", "state", "command")
        await self._admit(
            f"tap-{tap_id}", secret, topics=[*said, *(f"read {root}/{name}" for name in heard)]
        )

    async def admit_spout(self, device_id: str, secret: str) -> None:
        """Give a spout its user and its topics."""
        root = f"bar/main/spout/{device_id}"
        topics = [f"write {root}/pour", f"write {root}/health", f"read {root}/pour/result"]
        await self._admit(f"spout-{device_id}", secret, topics=topics)

    async def admit_anything(self, name: str, password: str) -> None:
        """Let somebody say and hear everything: an enemy, or a test's eyes."""
        await self._admit(name, password, topics=["readwrite #"])

    async def _admit(self, name: str, password: str, *, topics: Sequence[str]) -> None:
        with self._acl.open("a") as acl:
            acl.write("\n".join(["", f"user {name}", *(f"topic {one}" for one in topics), ""]))
        self._add_user(name, password)
        if self._process:
            self._process.send_signal(signal.SIGHUP)
            await asyncio.sleep(SETTLED_S)  # it says nowhere that it has read its files

    def _add_user(self, name: str, password: str) -> None:
        words = ["mosquitto_passwd", "-b", str(self._passwords), name, password]
        subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - Debian's own program

    def _filled(self, template: Path) -> str:
        """Return the committed configuration with this test's address, paths and user."""
        text = template.read_text()
        for old, new in (
            ("listener 1883 0.0.0.0", f"listener {self.port} {LOOPBACK}"),
            ("/etc/mosquitto/pourline.passwords", str(self._passwords)),
            ("/etc/mosquitto/pourline.acl", str(self._acl)),
            ("/var/lib/mosquitto/", f"{self._store}/"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        return f"user {getpass.getuser()}\n{text}"

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        await asyncio.to_thread(process.wait, STOP_WITHIN_S)


def executable() -> str:
    """Return Debian's mosquitto, which lies where a user's path does not look."""
    found = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    assert Path(found).exists(), "mosquitto is missing: apt-get install mosquitto"
    return found
