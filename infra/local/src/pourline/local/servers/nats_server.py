"""A nats-server with JetStream and an MQTT listener: broker and bus in one process."""

import asyncio
import os
import shutil
import sysconfig
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pourline.local.errors import UnavailableError
from pourline.local.ports import LOOPBACK, free_port, listens, local_address
from pourline.local.process import Command
from pourline.local.servers.embedded import EmbeddedServer
from pourline.local.tls import Listeners

MAX_PAYLOAD_BYTES = 64 * 1024 + 1024
"""64 KiB of payload; for MQTT the server counts the topic and headers with it."""

HANDSHAKE_WITHIN_S = 5
"""Elliptic curves take a microcontroller some seconds."""

MAX_STORE = "20GB"
MEMORY_LIMIT = "96MiB"
"""Go collects harder near this; the whole bar shares a small machine."""

CONFIGURATION = """\
server_name: {server_name}
listen: "{host}:{port}"
max_payload: {max_payload}
{tls}
{authorization}
jetstream {{
  {domain}
  store_dir: {store}
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: {max_store}
}}
{cluster}
{mqtt}
"""

CLUSTER = """\
cluster {{ name: pourline, listen: "{host}:{port}", no_advertise: true, routes: [ {routes} ] }}
"""

MQTT = """\
mqtt {{
  listen: "{host}:{port}"
  ack_wait: "10s"
  max_ack_pending: 1000
  stream_replicas: {replicas}
  {tls}
}}
"""


@dataclass(frozen=True, kw_only=True)
class MqttListener:
    """Where devices connect; port 0 takes a free one."""

    host: str = LOOPBACK
    port: int = 0


@dataclass(frozen=True, kw_only=True)
class Member:
    """One server's place in a cluster on this machine: its name, its port, and all the ports."""

    name: str
    port: int
    ports: Sequence[int]


class NatsServer(EmbeddedServer):
    """One nats-server in a folder; without `authorization` anybody may connect (for tests).

    `authorization` is a piece of nats-server configuration: accounts, users, callout. With `tls`
    both listeners speak nothing else.
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
        member: Member | None = None,
        tls: Listeners | None = None,
    ) -> None:
        super().__init__(folder)
        self._member = member
        self.domain = ""
        """Names its streams to the servers that are linked to it; empty: it is linked to none."""
        self.port = port or free_port()
        self.mqtt = mqtt
        self.mqtt_port = (mqtt.port or free_port(mqtt.host)) if mqtt else 0
        self.configuration = folder / "nats.conf"
        self._authorization = authorization
        self._tls = tls

    @property
    def url(self) -> str:
        """The NATS address, without credentials."""
        scheme = "tls" if self._tls else "nats"
        return f"{scheme}://{LOOPBACK}:{self.port}"

    @property
    def mqtt_url(self) -> str:
        """The MQTT address for clients on this machine, without credentials."""
        if self.mqtt is None:
            raise UnavailableError("this nats-server has no MQTT listener")
        scheme = "mqtts" if self._tls else "mqtt"
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
                server_name=self._member.name if self._member else "pourline",
                cluster=self._cluster_block(),
                host=LOOPBACK,
                port=self.port,
                max_payload=MAX_PAYLOAD_BYTES,
                authorization=self._authorization,
                tls=self._tls_block("nats"),
                store=quoted(self.folder),
                domain=f"domain: {self.domain}" if self.domain else "",
                max_store=MAX_STORE,
                mqtt=self._mqtt_block(),
            )
        )

    async def is_ready(self, pid: int) -> bool:
        """Return whether both listeners take connections (JetStream is up before they are).

        On a port that was taken another server greets.
        """
        if not listens(pid, self.port) or not await _greets(LOOPBACK, self.port):
            return False
        return self.mqtt is None or await _listens(local_address(self.mqtt.host), self.mqtt_port)

    async def answers(self) -> bool:
        """Return whether the server greets who connects."""
        return await _greets(LOOPBACK, self.port)

    def _mqtt_block(self) -> str:
        if self.mqtt is None:
            return ""
        tls = self._tls_block("mqtt")
        replicas = len(self._member.ports) if self._member else 1
        return MQTT.format(host=self.mqtt.host, port=self.mqtt_port, tls=tls, replicas=replicas)

    def _cluster_block(self) -> str:
        if self._member is None:
            return ""
        routes = ", ".join(f'"nats://{LOOPBACK}:{port}"' for port in self._member.ports)
        return CLUSTER.format(host=LOOPBACK, port=self._member.port, routes=routes)

    def _tls_block(self, listener: str) -> str:
        if self._tls is None:
            return ""
        pair = f"cert_file: {quoted(self._tls.certificate)}, key_file: {quoted(self._tls.key)}"
        asks = ""
        if listener in self._tls.verified and self._tls.ca_file:
            asks = f", ca_file: {quoted(self._tls.ca_file)}, verify: true"
        return f"tls {{ {pair}{asks}, timeout: {HANDSHAKE_WITHIN_S} }}"


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
