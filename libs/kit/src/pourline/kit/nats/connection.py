"""Connecting to the bus, for ever."""

import logging
from functools import partial

import nats
from nats.aio.client import Client

RECONNECT_WAIT_S = 0.25
CONNECT_WAIT_S = 2
PING_S = 4
"""A half-open connection is noticed after three of these."""

log = logging.getLogger(__name__)


async def connect(*, url: str, name: str, wait_for_server: bool = True) -> Client:
    """Connect as `name` and reconnect for ever.

    With `wait_for_server` the first connection is awaited for ever too; otherwise its failure
    raises what nats-py raises.
    """

    async def told(what: str) -> None:
        log.warning(what)

    return await nats.connect(
        servers=[url],
        name=name,
        inbox_prefix=f"_INBOX.{name}",
        connect_timeout=CONNECT_WAIT_S,
        allow_reconnect=wait_for_server,
        max_reconnect_attempts=-1 if wait_for_server else 1,
        reconnect_time_wait=RECONNECT_WAIT_S,
        ping_interval=PING_S,
        max_outstanding_pings=2,
        drain_timeout=2,
        disconnected_cb=partial(told, "bus_disconnected"),
        reconnected_cb=partial(told, "bus_reconnected"),
    )
