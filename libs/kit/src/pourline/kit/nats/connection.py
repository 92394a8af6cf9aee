"""Connecting to the bus, for ever."""

import logging
from contextlib import suppress
from functools import partial

from nats.aio.client import Client

from pourline.kit.trust import SYSTEMS, SafeClient, Trust

RECONNECT_WAIT_S = 0.25
CONNECT_WAIT_S = 2
PING_S = 4
"""A half-open connection is noticed after three of these."""

log = logging.getLogger(__name__)


async def connect(
    *, url: str, name: str, wait_for_server: bool = True, trust: Trust = SYSTEMS
) -> Client:
    """Connect as `name` and reconnect for ever; `url` may be several, with commas between them.

    With `wait_for_server` the first connection is awaited for ever too; otherwise its failure
    raises what nats-py raises.
    """
    tls = trust.context() if url.startswith("tls://") else None

    async def told(what: str) -> None:
        if not client.is_closed:  # else it was closed here, on purpose
            log.warning(what)
        with suppress(OSError):
            trust.renew(tls)

    client = SafeClient()
    await client.connect(
        servers=[one.strip() for one in url.split(",")],
        tls=tls,
        name=name,
        inbox_prefix=f"_INBOX.{name}",
        connect_timeout=CONNECT_WAIT_S,
        allow_reconnect=wait_for_server,
        max_reconnect_attempts=-1 if wait_for_server else 1,
        reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type] # a float serves
        ping_interval=PING_S,
        max_outstanding_pings=2,
        drain_timeout=2,
        disconnected_cb=partial(told, "bus_disconnected"),
        reconnected_cb=partial(told, "bus_reconnected"),
    )
    return client
