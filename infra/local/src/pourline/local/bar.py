"""One bar's parts: which servers are ours to run, where they listen, what services are given."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.kit.trust import Trust
from pourline.local import credentials
from pourline.local.access import authorization
from pourline.local.credentials import Secrets
from pourline.local.environment import (
    Surroundings,
    foreign_broker,
    inner_broker,
    names_databases,
    setting,
)
from pourline.local.errors import MisuseError
from pourline.local.paths import DataDir, RunFacts
from pourline.local.ports import LOOPBACK, free_port, local_address, require_free
from pourline.local.process import Command
from pourline.local.servers import MqttListener, NatsServer, PostgresServer
from pourline.local.servers.embedded import EmbeddedServer
from pourline.local.servers.postgres import SUPERUSER
from pourline.local.tls import listeners, trust

AFTER_A_KILL_S = 5.0
"""The children of a killed bar are still dying, and hold its ports, for this long at most."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line and the environment say about this start. Port 0 takes a free one."""

    data_dir: DataDir
    http_host: str
    http_port: int
    mqtt_host: str
    mqtt_port: int
    nats_port: int
    demo: bool


class Bar:
    """One bar's parts, as the options and the environment make them."""

    def __init__(self, options: Options, environ: Mapping[str, str]) -> None:
        self.data_dir = options.data_dir
        self.demo = options.demo
        self.environ = environ
        self.secrets = credentials.load_or_make(options.data_dir)
        self.foreign = foreign_broker(environ)
        self.listeners = listeners(environ)
        self._patience_s = AFTER_A_KILL_S if options.data_dir.was_left_running else 0.0
        self.nats = self._make_nats(options)
        self.postgres = self._make_postgres()
        self.facts = self._make_facts(options)

    @property
    def servers(self) -> list[EmbeddedServer]:
        """The servers that are ours to run."""
        return [server for server in (self.postgres, self.nats) if server]

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that runs here; the bridge only where a foreign broker is named."""
        return (*SERVICES, BRIDGE) if self.foreign else SERVICES

    @property
    def surroundings(self) -> Surroundings:
        """What services and commands are given."""
        return Surroundings(environ=self.environ, secrets=self.secrets, facts=self.facts)

    @property
    def trust(self) -> Trust:
        """Whom the supervisor trusts when it asks its own console."""
        return trust(self.environ, own=True)

    def command(self, name: str, *arguments: str, logged: bool = True) -> Command:
        """Return a command of ours as a process of its own."""
        return Command(
            name=name,
            argv=[
                *(sys.executable, "-m", "pourline.local"),
                *(*arguments, "--data-dir", str(self.data_dir.root)),
            ],
            environment=self.environ,
            log=self.data_dir.log(name) if logged else None,
        )

    def ready_line(self) -> str:
        """Return the line that tells where to knock; credentials are nobody's business."""
        own = self.facts.mqtt_url or without_credentials(inner_broker(self.environ))
        mqtt = self.facts.foreign_mqtt_url or own
        bus = self.facts.nats_url or without_credentials(setting(self.environ, "NATS_URL"))
        return f"ready {self.facts.http_url} {mqtt} {bus}"

    def _make_nats(self, options: Options) -> NatsServer | None:
        named_bus = setting(self.environ, "NATS_URL")
        if named_bus and not inner_broker(self.environ):
            raise MisuseError("NATS_URL is set and MQTT_URL is not: set both, or MQTT_URL alone")
        if named_bus:
            return None
        server = NatsServer(
            self.data_dir.nats,
            port=options.nats_port,
            mqtt=self._mqtt_listener(options),
            authorization=authorization(self.secrets),
            tls=self.listeners,
        )
        server.log = self.data_dir.log(server.name)
        self._require_free(LOOPBACK, server.port, "nats")
        if server.mqtt:
            self._require_free(server.mqtt.host, server.mqtt_port, "mqtt")
        return server

    def _mqtt_listener(self, options: Options) -> MqttListener:
        """Return where devices connect; behind a foreign broker only the bar's own services do."""
        if self.foreign:
            return MqttListener()
        return MqttListener(host=options.mqtt_host, port=options.mqtt_port)

    def _make_postgres(self) -> PostgresServer | None:
        if names_databases(self.environ):
            return None
        return own_postgres(self.data_dir, self.secrets)

    def _make_facts(self, options: Options) -> RunFacts:
        port = options.http_port or free_port(options.http_host)
        self._require_free(options.http_host, port, "http")
        scheme = "https" if self.listeners else "http"
        return RunFacts(
            pid=os.getpid(),
            http_host=options.http_host,
            http_port=port,
            http_url=f"{scheme}://{local_address(options.http_host)}:{port}",
            mqtt_url=self.nats.mqtt_url if self.nats and self.nats.mqtt else None,
            nats_url=self.nats.url if self.nats else None,
            postgres_port=self.postgres.port if self.postgres else None,
            foreign_mqtt_url=without_credentials(self.foreign) if self.foreign else None,
        )

    def _require_free(self, host: str, port: int, purpose: str) -> None:
        require_free(host, port, purpose, patience_s=self._patience_s)


def own_postgres(data_dir: DataDir, secrets: Secrets, *, port: int = 0) -> PostgresServer:
    """Return the data directory's own PostgreSQL."""
    password = secrets.password("postgres", SUPERUSER)
    server = PostgresServer(data_dir.postgres, password=password, port=port)
    server.log = data_dir.log(server.name)
    return server


def without_credentials(url: str | None) -> str:
    """Return a server's address without user and password; of a cluster's the first."""
    parts = urlsplit((url or "").split(",")[0].strip())
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
