"""`pourline up`: the whole bar on this machine, from nothing to the ready line and back down."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack

from pourline.contracts.topology import SERVICES
from pourline.local.access import OPERATOR
from pourline.local.bar import Bar, Options
from pourline.local.bus import Bus
from pourline.local.errors import OK, MisuseError, UnavailableError
from pourline.local.servers.embedded import EmbeddedServer
from pourline.local.supervisor import Supervisor, ready, run_once
from pourline.local.topology import apply_topology
from pourline.local.web import answers

READY_WITHIN_S = 120.0
"""Past this a start has failed; a first start on a slow machine takes some twenty seconds."""

ASK_AGAIN_S = 0.1


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
                    await _start(bar, parts)
            except TimeoutError as error:
                raise UnavailableError(f"not ready after {READY_WITHIN_S:.0f} s") from error
            print(bar.ready_line(), flush=True)
            if bar.demo:
                guests = await parts.enter_async_context(Supervisor())
                guests.add(bar.command("simulate", "simulate", "--demo", logged=False))
            await asyncio.Event().wait()


async def _start(bar: Bar, parts: AsyncExitStack) -> None:
    """Start everything in the order in which it is needed; the stack stops it in reverse."""
    servers = await parts.enter_async_context(Supervisor())
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_prepare_databases(bar, servers))
            bus = both.create_task(_open_bus(bar, servers, parts))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    services = await parts.enter_async_context(Supervisor())
    for service in SERVICES:
        services.add(bar.command(service, "serve", service))
    await _all_ready(bar, services, bus.result())


async def _prepare_databases(bar: Bar, servers: Supervisor) -> None:
    if bar.postgres:
        await _start_server(bar.postgres, servers)
    await run_once(bar.command("migrate", "migrate"))


async def _open_bus(bar: Bar, servers: Supervisor, parts: AsyncExitStack) -> Bus:
    if bar.nats:
        await _start_server(bar.nats, servers)
    url = bar.surroundings.nats_url(OPERATOR)
    return await parts.enter_async_context(Bus(url, topology=apply_topology))


async def _start_server(server: EmbeddedServer, servers: Supervisor) -> None:
    await server.prepare()
    await ready(servers.add(server.command), server.is_ready)


async def _all_ready(bar: Bar, services: Supervisor, bus: Bus) -> None:
    """Wait until every service and the console's port say so; raise when one cannot start."""
    waiting = list(SERVICES)
    while waiting:
        for child in services.children.values():
            child.require_hope()
        conditions = await bus.conditions(waiting)
        waiting = [condition.service for condition in conditions if not condition.ready]
        await asyncio.sleep(ASK_AGAIN_S if waiting else 0)
    while not await answers(bar.facts.http_url):  # noqa: ASYNC110 - another process's state
        await asyncio.sleep(ASK_AGAIN_S)
