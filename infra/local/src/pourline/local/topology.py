"""Declaring what is on the bus: streams and durable consumers, from the contracts' page of data.

Part of bringing a bar up, like its migrations; no service declares anything.
"""

from collections.abc import Iterable

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

DUPLICATE_WINDOW_S = 120
ANSWER_WITHIN_S = 5.0
ACK_WAIT_S = 5
"""A killed consumer's messages come back after this; a live one keeps extending it."""


async def apply_topology(
    bus: Client,
    *,
    streams: Iterable[Stream] = STREAMS,
    consumers: Iterable[Consumer] = CONSUMERS,
    replicas: int = 1,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> None:
    """Declare streams and durable consumers; what is there already is brought up to date.

    Each stream is stored on `replicas` servers. Raises `nats.errors.TimeoutError` when one of the
    declarations is not answered in time.
    """
    jetstream = bus.jetstream(timeout=answer_within_s)
    for stream in streams:
        await _declare_stream(jetstream, stream, replicas)
    for consumer in consumers:
        await jetstream.add_consumer(consumer.stream, _consumer_config(consumer))


async def _declare_stream(jetstream: JetStreamContext, stream: Stream, replicas: int) -> None:
    config = StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.MEMORY if stream.in_memory else StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes,
        duplicate_window=min(DUPLICATE_WINDOW_S, stream.max_age_s),
        num_replicas=replicas,
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
