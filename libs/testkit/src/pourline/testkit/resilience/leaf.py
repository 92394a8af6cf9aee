"""A venue and a centre that keeps a copy of its events, with a line between them that may fail."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nats.aio.client import Client
from nats.js.api import ExternalStream, StreamConfig, StreamSource

from pourline.kit.nats import connect
from pourline.local import credentials
from pourline.local.access import OPERATOR, authorization
from pourline.local.paths import DataDir
from pourline.local.ports import LOOPBACK, free_port
from pourline.local.servers import MqttListener, NatsServer
from pourline.local.servers.embedded import EmbeddedServer
from pourline.local.servers.nats_server import quoted
from pourline.local.supervisor import Supervisor, ready
from pourline.testkit.bar import RunningBar, run_bar
from pourline.testkit.resilience.proxy import Proxy, proxied

LEAF: Final = Path("infra/nats/leaf.conf")
DOMAIN: Final = "venue"
COPY: Final = "VENUE_EVENTS"
USER: Final = "venue"
PASSWORD: Final = "between venue and centre"


@dataclass(frozen=True, kw_only=True)
class Venue:
    """A running bar, the line from its broker to the centre, and a client of the centre."""

    bar: RunningBar
    mqtt_url: str
    line: Proxy
    centre: Client
    broker: Client
    """The venue's own broker, as a person who looks after it sees it."""

    async def copied(self) -> int:
        """Return how many messages of the venue the centre has."""
        return int((await self.centre.jetstream().stream_info(COPY)).state.messages)

    async def told(self) -> int:
        """Return how many messages of events the venue's own bus has."""
        return int((await self.broker.jetstream().stream_info("EVENTS")).state.messages)


@contextlib.asynccontextmanager
async def open_venue(folder: Path, *, project: Path) -> AsyncIterator[Venue]:
    """Run both; the venue's broker is configured by the committed file of `project`."""
    port = free_port()
    centre = NatsServer(
        folder / "centre",
        mqtt=None,
        authorization=f"leafnodes {{ listen: {quoted(f'{LOOPBACK}:{port}')},"
        f" authorization {{ user: {USER}, password: {quoted(PASSWORD)} }} }}",
    )
    centre.domain = "centre"
    data_dir = DataDir(folder / "bar")
    secrets = credentials.load_or_make(data_dir)
    async with Supervisor() as servers, proxied(port) as line:
        await _start(centre, servers)
        url = f"nats-leaf://{USER}:{PASSWORD.replace(' ', '%20')}@{LOOPBACK}:{line.port}"
        leaf = (project / LEAF).read_text().replace("$NATS_CENTRE", quoted(url))
        broker = NatsServer(
            data_dir.nats,
            mqtt=MqttListener(),
            authorization=f"{authorization(secrets)}\n{leaf}",
        )
        broker.domain = DOMAIN
        await _start(broker, servers)
        environment = {
            "NATS_URL": f"nats://{{service}}:{{password}}@{LOOPBACK}:{broker.port}",
            "MQTT_URL": f"mqtt://{{service}}:{{password}}@{LOOPBACK}:{broker.mqtt_port}",
        }
        async with (
            run_bar(data_dir.root, environment) as bar,
            _client(centre.url) as of_centre,
            _client(_operator(broker, secrets)) as of_venue,
        ):
            await of_centre.jetstream().add_stream(_copy())
            yield Venue(
                bar=bar,
                mqtt_url=broker.mqtt_url,
                line=line,
                centre=of_centre,
                broker=of_venue,
            )


def _copy() -> StreamConfig:
    """Return the centre's stream: what the venue's holds, in its order, each message once."""
    venue = ExternalStream(api=f"$JS.{DOMAIN}.API", deliver=f"centre.{DOMAIN}")
    return StreamConfig(name=COPY, sources=[StreamSource(name="EVENTS", external=venue)])


def _operator(broker: NatsServer, secrets: credentials.Secrets) -> str:
    word = secrets.password("nats", OPERATOR)
    return broker.url.replace("://", f"://{OPERATOR}:{word}@")


@contextlib.asynccontextmanager
async def _client(url: str) -> AsyncIterator[Client]:
    client = await connect(url=url, name="looking")
    try:
        yield client
    finally:
        await client.close()


async def _start(server: EmbeddedServer, servers: Supervisor) -> None:
    server.log = server.folder.with_suffix(".log")
    await server.prepare()
    await ready(servers.add(server.command), server.is_ready)
