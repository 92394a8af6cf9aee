"""Connecting to the bus, for ever, and declaring what is on it."""

import logging
from collections.abc import Iterable

import nats
from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from pourline.contracts.topology import CONSUMERS, STREAMS, Consumer, Stream

RECONNECT_WAIT_S = 0.25
CONNECT_WAIT_S = 2
PING_S = 10
"""A half-open connection is noticed after two of these."""
DUPLICATE_WINDOW_S = 120
ACK_WAIT_S = 5
"""A killed consumer's messages come back after this; a live one keeps extending it."""

log = logging.getLogger(__name__)


async def connect(*, url: str, name: str, wait_for_server: bool = True) -> Client:
    """Connect as `name` and reconnect for ever.

    With `wait_for_server` the first connection is awaited for ever too; otherwise its failure
    raises what nats-py raises.
    """

    async def disconnected() -> None:
        log.warning("bus_disconnected")

    async def reconnected() -> None:
        log.info("bus_reconnected")

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
        disconnected_cb=disconnected,
        reconnected_cb=reconnected,
    )


async def apply_topology(
    bus: Client,
    *,
    streams: Iterable[Stream] = STREAMS,
    consumers: Iterable[Consumer] = CONSUMERS,
) -> None:
    """Declare streams and durable consumers; what is there already is brought up to date."""
    jetstream = bus.jetstream()
    for stream in streams:
        await _declare_stream(jetstream, stream)
    for consumer in consumers:
        await jetstream.add_consumer(consumer.stream, _consumer_config(consumer))


async def _declare_stream(jetstream: JetStreamContext, stream: Stream) -> None:
    config = StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.MEMORY if stream.in_memory else StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes,
        duplicate_window=min(DUPLICATE_WINDOW_S, stream.max_age_s),
        num_replicas=1,
    )
    try:
        await jetstream.stream_info(stream.name)
    except NotFoundError:
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)


def _consumer_config(consumer: Consumer) -> ConsumerConfig:
    single = consumer.filters[0] if len(consumer.filters) == 1 else None
    pushes = consumer.pushes_to is not None
    return ConsumerConfig(
        durable_name=consumer.name,
        name=consumer.name,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.NONE if pushes else AckPolicy.EXPLICIT,
        ack_wait=None if pushes else ACK_WAIT_S,
        max_deliver=None if pushes else -1,
        max_ack_pending=None if pushes else consumer.max_ack_pending,
        filter_subject=single,
        filter_subjects=None if single else list(consumer.filters),
        deliver_subject=consumer.pushes_to,
        deliver_group=consumer.service if pushes else None,
    )
