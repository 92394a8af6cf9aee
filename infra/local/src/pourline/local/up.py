"""`pourline up`: the whole bar on this machine, from nothing to the ready line and back down."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial

from pourline.contracts.topology import BRIDGE
from pourline.local.access import OPERATOR
from pourline.local.bar import Bar, Options
from pourline.local.bus import Bus, Condition
from pourline.local.environment import replicas
from pourline.local.errors import OK, MisuseError, UnavailableError
from pourline.local.servers.embedded import EmbeddedServer
from pourline.local.storing import Storing
from pourline.local.supervisor import Supervisor, ready, run_once
from pourline.local.topology import apply_topology
from pourline.local.web import LIVE, READY, answers

READY_WITHIN_S = 120.0
"""Past this a start has failed; a first start on a slow machine takes some twenty seconds."""

ASK_AGAIN_S = 0.1

LISTENING = frozenset({"nats-server", "console"})
"""Who shows the bar's certificate, and shows its renewal when told by SIGHUP."""

FOREIGN_WITHIN_S = 5.0
"""When all else is ready a broker that is not ours has this long; the bridge goes on trying."""


async def up(options: Options, environ: Mapping[str, str]) -> int:
    """Run the bar until SIGINT or SIGTERM; a second signal ends the waiting for a clean stop."""
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    if me is None:
        raise MisuseError("up runs as a task")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, me.cancel)
    try:
        with options.data_dir.claimed():
            await _open(Bar(options, environ))
    except asyncio.CancelledError:
        return OK
    return OK


async def _open(bar: Bar) -> None:
    with bar.data_dir.running(bar.facts):
        async with AsyncExitStack() as parts:
            try:
                async with asyncio.timeout(READY_WITHIN_S):
                    parts_running = await _start(bar, parts)
            except TimeoutError as error:
                raise UnavailableError(f"not ready after {READY_WITHIN_S:.0f} s") from error
            _renew_on_hangup(parts_running)
            print(bar.ready_line(), flush=True)
            _say_backup(bar.data_dir.backup_age_s(time.time()))
            if bar.demo:
                guests = await parts.enter_async_context(Supervisor())
                guests.add(bar.command("simulate", "simulate", "--demo", logged=False))
            await asyncio.Event().wait()


def _say_backup(age_s: float | None) -> None:
    """Say how old the last backup is, where one was made: whoever starts a bar should know."""
    if age_s is not None:
        print(f"pourline: the last backup is {age_s / 3600:.1f} hours old", file=sys.stderr)


async def _start(bar: Bar, parts: AsyncExitStack) -> Sequence[Supervisor]:
    """Start everything in the order in which it is needed; the stack stops it in reverse."""
    servers = await parts.enter_async_context(Supervisor())
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_prepare_databases(bar, servers))
            bus = both.create_task(_open_bus(bar, servers, parts))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    services = await parts.enter_async_context(Supervisor())
    for service in bar.services:
        child = services.add(bar.command(service, "serve", service))
        services.watch(child, partial(bus.result().answers, service))
    await _all_ready(bar, services, bus.result())
    return servers, services


def _renew_on_hangup(parts: Sequence[Supervisor]) -> None:
    """Let SIGHUP make every listener show the certificate that stands in its file by now."""

    def renew() -> None:
        for part in parts:
            for name, child in part.children.items():
                if name in LISTENING and child.pid:
                    with suppress(ProcessLookupError):
                        os.kill(child.pid, signal.SIGHUP)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew)


async def _prepare_databases(bar: Bar, servers: Supervisor) -> None:
    if bar.postgres:
        await _start_server(bar.postgres, servers)
    await run_once(bar.command("migrate", "migrate"))


async def _open_bus(bar: Bar, servers: Supervisor, parts: AsyncExitStack) -> Bus:
    if bar.nats:
        await _start_server(bar.nats, servers)
    trust = bar.surroundings.trust
    if bar.nats:
        url = bar.surroundings.system_url()
        storing = await parts.enter_async_context(Storing(url, trust=trust))
        child = servers.children[bar.nats.name]
        servers.watch(child, storing.answers, complaint="stores nothing any more")
    url = bar.surroundings.nats_url(OPERATOR)
    topology = partial(apply_topology, replicas=replicas(bar.environ))
    return await parts.enter_async_context(Bus(url, topology=topology, trust=trust))


async def _start_server(server: EmbeddedServer, servers: Supervisor) -> None:
    await server.prepare()
    child = servers.add(server.command)
    await ready(child, server.is_ready)
    servers.watch(child, server.answers)


async def _all_ready(bar: Bar, services: Supervisor, bus: Bus) -> None:
    """Wait until every service and the console's port say so; raise when one cannot start."""
    waiting = list(bar.services)
    foreign_until_s = time.monotonic() + FOREIGN_WITHIN_S
    while waiting:
        for child in services.children.values():
            child.require_hope()
        conditions = [one for one in await bus.conditions(waiting) if not one.ready]
        waiting = [one.service for one in conditions]
        if len(conditions) == 1 and _foreign_broker_is_away(conditions[0]):
            if time.monotonic() > foreign_until_s:
                print(f"pourline: starting without {conditions[0].reason}", file=sys.stderr)
                break
        else:
            foreign_until_s = time.monotonic() + FOREIGN_WITHIN_S
        await asyncio.sleep(ASK_AGAIN_S if waiting else 0)
    path = LIVE if waiting else READY
    while not await answers(bar.facts.http_url, path, bar.trust):  # noqa: ASYNC110 - another process's state
        await asyncio.sleep(ASK_AGAIN_S)


def _foreign_broker_is_away(condition: Condition) -> bool:
    """Return whether the bridge is well but for the broker that is not ours to start."""
    others = condition.reason.partition(", ")[2]
    is_away = condition.reason.startswith("foreign_broker: ")
    return condition.service == BRIDGE and is_away and not others
