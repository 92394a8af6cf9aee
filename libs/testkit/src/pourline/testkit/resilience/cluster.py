"""A bar on three machines: a broker each, two of them with an instance of every service.

Machines are process groups on the loopback. Losing one kills all of it with signal 9. Devices and
the page reach the cluster by one address, which moves to a machine that stands: a `Proxy`. The
database is one server beside them; how to keep that one available is its own trade.
"""

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from pourline.local import credentials
from pourline.local.access import authorization
from pourline.local.bar import own_postgres
from pourline.local.paths import DataDir
from pourline.local.ports import LOOPBACK, free_port
from pourline.local.servers import Member, MqttListener, NatsServer
from pourline.local.servers.postgres import SUPERUSER
from pourline.local.supervisor import Supervisor, ready
from pourline.testkit.bar import RunningBar
from pourline.testkit.resilience.faults import Fault, Scene
from pourline.testkit.resilience.proxy import proxied
from pourline.testkit.resilience.schedule import Schedule, Step
from pourline.testkit.resilience.world import Kind, World

MACHINES: Final = 3
WITH_SERVICES: Final = 2
GONE_WITHIN_S: Final = 10.0
BACK_WITHIN_S: Final = 60.0
APART_S: Final = 20.0
LOST_S: Final = 5.0
POURS_PER_S: Final = 20
LOST_SEED: Final = 1_000_100


@dataclass(kw_only=True)
class Machine:
    """A broker, and a bar's services where it has any."""

    broker: NatsServer
    bar: RunningBar | None
    servers: Supervisor = field(default_factory=Supervisor)
    is_lost: bool = False

    async def start(self) -> None:
        """Start the broker, then the services."""
        await self.servers.__aenter__()
        await self.broker.prepare()
        self.servers.add(self.broker.command)
        self.is_lost = False

    async def open(self) -> None:
        """Start the services, and wait until they take work."""
        await ready(self.servers.children[self.broker.name], self.broker.is_ready)
        if self.bar:
            await self.bar.start()

    async def lose(self) -> None:
        """Kill everything on it with signal 9, at once."""
        self.is_lost = True
        child = self.servers.children[self.broker.name]
        assert child.pid is not None
        broker = psutil.Process(child.pid)
        family = [broker, *(self.bar.processes() if self.bar else [])]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()  # nobody restarts what is killed a moment earlier
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        await self._stop_servers()
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, GONE_WITHIN_S)
        assert not alive, alive

    async def stop(self) -> None:
        """Stop it as an operator does."""
        if self.is_lost:
            return
        if self.bar:
            await self.bar.stop()
        await self._stop_servers()

    async def _stop_servers(self) -> None:
        await self.servers.__aexit__(None, None, None)
        self.servers = Supervisor()


class Cluster:
    """Three machines; use `open_cluster` to get them."""

    def __init__(self, machines: list[Machine]) -> None:
        self.machines = machines

    @property
    def standing(self) -> list[Machine]:
        """The machines that are not lost."""
        return [one for one in self.machines if not one.is_lost]


@dataclass
class LoseMachine(Fault):
    """A whole machine is lost, and comes back empty-handed but for its disk, or without that."""

    cluster: Cluster
    number: int
    is_disk_lost: bool = False
    kind: str = "lose a machine"
    is_served_from_start: bool = True

    @property
    def target(self) -> str:  # type: ignore[override] # which one is known here only
        """Return which machine, and what of it."""
        return f"{self.number + 1}" + (" with its broker's disk" if self.is_disk_lost else "")

    async def inject(self, scene: Scene) -> None:
        """Kill all of it; its address moves."""
        machine = self.cluster.machines[self.number]
        await machine.lose()
        if self.is_disk_lost:
            shutil.rmtree(machine.broker.folder)
        left = self.cluster.standing[0]
        proxy = scene.world.proxies["taps"]
        proxy.point_to(left.broker.mqtt_port)
        proxy.cut(1.0, random.Random(0))  # noqa: S311 - all of them: no choice is made
        if left.bar:
            scene.world.bar = left.bar

    async def heal(self, scene: Scene) -> None:
        """Bring it back."""
        machine = self.cluster.machines[self.number]
        await machine.start()
        await machine.open()
        for bar in (one.bar for one in self.cluster.standing if one.bar):
            await bar.ready(within_s=BACK_WITHIN_S)
        del scene


@contextlib.asynccontextmanager
async def open_cluster(folder: Path) -> AsyncIterator[tuple[Cluster, World]]:
    """Run three machines and a database, with taps connected."""
    shared = DataDir(folder / "shared")
    secrets = credentials.load_or_make(shared)
    postgres = own_postgres(shared, secrets)
    async with Supervisor() as database:
        await postgres.prepare()
        await ready(database.add(postgres.command), postgres.is_ready)
        brokers = _brokers(folder, authorization(secrets))
        owner = f"{SUPERUSER}:{secrets.password('postgres', SUPERUSER)}"
        environment = {
            "NATS_URL": _urls("nats", [one.port for one in brokers]),
            "MQTT_URL": _urls("mqtt", [one.mqtt_port for one in brokers]),
            "NATS_REPLICAS": str(MACHINES),
            "DATABASE_URL": f"postgresql://{owner}@{LOOPBACK}:{postgres.port}/{{service}}",
        }
        machines = []
        for number, broker in enumerate(brokers):
            bar = None
            if number < WITH_SERVICES:
                data_dir = DataDir(folder / f"machine-{number + 1}" / "bar")
                data_dir.create()
                shutil.copy(shared.secrets, data_dir.secrets)
                bar = RunningBar(data_dir.root, environment)
            machines.append(Machine(broker=broker, bar=bar))
        cluster = Cluster(machines)
        async with contextlib.AsyncExitStack() as parts:
            for machine in machines:
                await machine.start()
                parts.push_async_callback(machine.stop)
            for machine in machines:
                await machine.open()
            taps = await parts.enter_async_context(proxied(brokers[0].mqtt_port))
            first = machines[0].bar
            assert first is not None
            world = World(folder, first, {"taps": taps})
            await world.seat_taps(2)
            async with world.fleet:
                for seat in world.raw:
                    online = {"online": True, "pending_sync": 0}
                    world.fleet.publish(seat.tap_id, "status", online, retain=True)
                yield cluster, world


def _brokers(folder: Path, access: str) -> list[NatsServer]:
    ports = [free_port() for _ in range(MACHINES)]
    brokers = []
    for number, port in enumerate(ports):
        place = folder / f"machine-{number + 1}"
        place.mkdir(parents=True)
        name = f"machine-{number + 1}"
        broker = NatsServer(
            place / "nats",
            mqtt=MqttListener(),
            authorization=access,
            member=Member(name=name, port=port, ports=ports),
        )
        broker.log = place / "nats.log"
        brokers.append(broker)
    return brokers


def _urls(scheme: str, ports: list[int]) -> str:
    """Return the servers as the environment names them, for every service's user."""
    return ",".join(f"{scheme}://{{service}}:{{password}}@{LOOPBACK}:{port}" for port in ports)


def everyone_once(cluster: Cluster) -> Schedule:
    """Return an evening in which each machine is lost once, the last with its broker's disk."""
    steps = [
        Step(
            at_s=2.0 + number * APART_S,
            duration_s=LOST_S,
            fault=LoseMachine(cluster, number, is_disk_lost=number == MACHINES - 1),
        )
        for number in range(MACHINES)
    ]
    return Schedule(
        seed=LOST_SEED,
        kind=Kind.NAMED,
        steps=steps,
        load_s=MACHINES * APART_S,
        raw_pours=int(MACHINES * APART_S * POURS_PER_S),
        between_guests_s=1.0,
    )
