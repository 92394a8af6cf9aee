"""A nats-server with JetStream and an MQTT listener: broker and bus in one process."""

import asyncio
import os
import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pourline.local.errors import UnavailableError
from pourline.local.ports import LOOPBACK, free_port, local_address
from pourline.local.process import Command
from pourline.local.servers.embedded import EmbeddedServer

MAX_PAYLOAD_BYTES = 64 * 1024 + 1024
"""64 KiB of payload; for MQTT the server counts the topic and headers with it."""

MAX_STORE = "20GB"
MEMORY_LIMIT = "192MiB"
"""Go collects harder near this; the whole bar shares a small machine."""

CONFIGURATION = """\
server_name: pourline
listen: "{host}:{port}"
max_payload: {max_payload}
{authorization}
jetstream {{
  store_dir: {store}
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: {max_store}
}}
{mqtt}
"""

MQTT = """\
mqtt {{
  listen: "{host}:{port}"
  ack_wait: "10s"
  max_ack_pending: 1000
  {tls}
}}
"""


@dataclass(frozen=True, kw_only=True)
class MqttListener:
    """Where devices connect; port 0 takes a free one. With a certificate it speaks TLS only."""

    host: str = LOOPBACK
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None


class NatsServer(EmbeddedServer):
    """One nats-server in a folder; without `authorization` anybody may connect (for tests).

    `authorization` is a piece of nats-server configuration: accounts, users, callout.
    Without an MQTT listener it is a bus only.
    """

    name = "nats-server"

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        mqtt: MqttListener | None = MqttListener(),
        authorization: str = "",
    ) -> None:
        super().__init__(folder)
        self.port = port or free_port()
        self.mqtt = mqtt
        self.mqtt_port = (mqtt.port or free_port(mqtt.host)) if mqtt else 0
        self.configuration = folder / "nats.conf"
        self._authorization = authorization

    @property
    def url(self) -> str:
        """The NATS address, without credentials."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def mqtt_url(self) -> str:
        """The MQTT address for clients on this machine, without credentials."""
        if self.mqtt is None:
            raise UnavailableError("this nats-server has no MQTT listener")
        scheme = "mqtts" if self.mqtt.certificate else "mqtt"
        return f"{scheme}://{local_address(self.mqtt.host)}:{self.mqtt_port}"

    @property
    def command(self) -> Command:
        """nats-server in the foreground with our configuration."""
        return Command(
            name=self.name,
            argv=[executable(), "--config", str(self.configuration)],
            environment={**os.environ, "GOMEMLIMIT": MEMORY_LIMIT},
            log=self.log,
        )

    async def prepare(self) -> None:
        """Write the configuration, readable by us only: it holds passwords."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configuration.touch(mode=0o600)
        self.configuration.chmod(0o600)
        self.configuration.write_text(
            CONFIGURATION.format(
                host=LOOPBACK,
                port=self.port,
                max_payload=MAX_PAYLOAD_BYTES,
                authorization=self._authorization,
                store=quoted(self.folder),
                max_store=MAX_STORE,
                mqtt=self._mqtt_block(),
            )
        )

    async def is_ready(self, pid: int) -> bool:
        """Return whether both listeners take connections (JetStream is up before they are)."""
        del pid
        if not await _greets(LOOPBACK, self.port):
            return False
        return self.mqtt is None or await _listens(local_address(self.mqtt.host), self.mqtt_port)

    async def answers(self) -> bool:
        """Return whether the server greets who connects."""
        return await _greets(LOOPBACK, self.port)

    def _mqtt_block(self) -> str:
        if self.mqtt is None:
            return ""
        tls = ""
        if self.mqtt.certificate and self.mqtt.key:
            pair = f"cert_file: {quoted(self.mqtt.certificate)}, key_file: {quoted(self.mqtt.key)}"
            tls = f"tls {{ {pair} }}"
        return MQTT.format(host=self.mqtt.host, port=self.mqtt_port, tls=tls)


def executable() -> str:
    """Return the nats-server of this virtual environment, else the one on the path."""
    scripts = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(scripts) if scripts.exists() else shutil.which("nats-server")
    if found is None:
        raise UnavailableError("nats-server is not installed: run `make setup`")
    return found


def quoted(value: Path | str) -> str:
    """Quote a string for nats-server's configuration language."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


async def _greets(host: str, port: int) -> bool:
    async with _connected(host, port) as reader:
        return reader is not None and (await reader.readline()).startswith(b"INFO")


async def _listens(host: str, port: int) -> bool:
    async with _connected(host, port) as reader:
        return reader is not None


@asynccontextmanager
async def _connected(host: str, port: int) -> AsyncIterator[asyncio.StreamReader | None]:
    """Connect and read; None when nobody takes the connection."""
    try:
        reader, writer = await asyncio.open_connection(host.strip("[]"), port)
    except OSError:
        yield None
        return
    try:
        yield reader
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
