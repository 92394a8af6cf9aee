"""Broker and database that the bar does not run itself, with proxies in front of them.

`pourline up` is told of the proxies by its environment, as of any servers of one's own.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from pourline.local import credentials
from pourline.local.access import ACCOUNT, SYSTEM
from pourline.local.bar import own_postgres
from pourline.local.credentials import Secrets
from pourline.local.paths import DataDir
from pourline.local.ports import LOOPBACK
from pourline.local.servers import MqttListener, NatsServer
from pourline.local.servers.embedded import EmbeddedServer
from pourline.local.servers.nats_server import quoted
from pourline.local.servers.postgres import SUPERUSER
from pourline.local.supervisor import Supervisor, ready
from pourline.testkit.resilience.proxy import Proxy, proxied

USER = "bar"
CONFIGURATION = """\
accounts {{
  {account} {{ jetstream: enabled, users: [ {{ user: {user}, password: {password} }} ] }}
  SYS {{ users: [ {{ user: {system}, password: {password} }} ] }}
}}
system_account: SYS
authorization {{
  timeout: 2
  auth_callout {{ issuer: {issuer}, account: {account}, auth_users: [ {user}, {system} ] }}
}}
"""
"""One user for everything but devices, since one address must do for every service."""


@dataclass(frozen=True, kw_only=True)
class OwnServers:
    """Running servers, the proxies to bus and database, and what the bar is told of them."""

    bus: Proxy
    database: Proxy
    mqtt_port: int
    environment: dict[str, str]


@contextlib.asynccontextmanager
async def own_servers(root: Path) -> AsyncIterator[OwnServers]:
    """Run nats-server and PostgreSQL for the bar in `root`, started again when they die."""
    data_dir = DataDir(root)
    secrets = credentials.load_or_make(data_dir)
    authorization = CONFIGURATION.format(
        account=ACCOUNT,
        user=quoted(USER),
        system=quoted(SYSTEM),
        password=quoted(secrets.password("nats", USER)),
        issuer=secrets.callout_issuer,
    )
    nats = NatsServer(data_dir.nats, mqtt=MqttListener(), authorization=authorization)
    nats.log = data_dir.log(nats.name)
    postgres = own_postgres(data_dir, secrets)
    async with Supervisor() as servers:
        for server in (nats, postgres):
            await _start(server, servers)
        async with proxied(nats.port) as bus, proxied(postgres.port) as database:
            yield OwnServers(
                bus=bus,
                database=database,
                mqtt_port=nats.mqtt_port,
                environment=_environment(secrets, nats, bus, database),
            )


async def _start(server: EmbeddedServer, servers: Supervisor) -> None:
    await server.prepare()
    await ready(servers.add(server.command), server.is_ready)


def _environment(secrets: Secrets, nats: NatsServer, bus: Proxy, database: Proxy) -> dict[str, str]:
    word = secrets.password("nats", USER)
    owner = f"{SUPERUSER}:{secrets.password('postgres', SUPERUSER)}"
    return {
        "NATS_URL": f"nats://{USER}:{word}@{LOOPBACK}:{bus.port}",
        "SYSTEM_NATS_URL": f"nats://{SYSTEM}:{word}@{LOOPBACK}:{bus.port}",
        "MQTT_URL": f"mqtt://{USER}:{word}@{LOOPBACK}:{nats.mqtt_port}",
        "DATABASE_URL": f"postgresql://{owner}@{LOOPBACK}:{database.port}/{{service}}",
    }
