"""mqtt-bridge's composition root."""

from functools import partial

from nats.aio.client import Client

from pourline.contracts import subjects
from pourline.kit.health import Check, Health
from pourline.kit.nats import connect
from pourline.kit.nats.publisher import StoredPublisher
from pourline.kit.run import Service
from pourline.mqtt_bridge.devices import Address, ForeignBroker, Hooks, inner_link
from pourline.mqtt_bridge.domain import fits, topic_filter
from pourline.mqtt_bridge.handlers import Downward, Fleeting, Received, Sieve, Stored
from pourline.mqtt_bridge.handlers.down import is_retained
from pourline.mqtt_bridge.settings import Settings
from pourline.upkeep import otlp
from pourline.upkeep.figures import OwnMeasures

FLEETING = (topic_filter(subjects.AUTHORIZE), topic_filter(subjects.FLOW))


async def build(*, settings: Settings) -> Service:
    """Connect mqtt-bridge's parts and return it ready to run."""
    bus = await connect(url=settings.nats_url, name=settings.service, trust=settings.trust)
    foreign = ForeignBroker(
        Address.parse(
            settings.mqtt_bridge_url,
            client_id=settings.bridge_client_id,
            version=settings.bridge_mqtt_version,
            trust=settings.foreign_trust,
        )
    )
    sieve = Sieve()
    publisher = StoredPublisher(bus=bus, name=settings.service)
    fleeting = Fleeting(bus=bus, sieve=sieve)
    down = Downward(broker=foreign)
    inner = inner_link(settings.mqtt_url, down, settings.trust)
    stored = Stored(
        bus=bus,
        publisher=publisher,
        broker=foreign,
        sieve=sieve,
        answers_heard=lambda: inner.connected,
    )
    hooks = _hooks(stored, fleeting, down)

    async def inner_is_up() -> None:
        if not inner.connected:
            raise ConnectionError("the inner broker is away")

    checks: dict[str, Check] = {
        "bus": partial(_bus_is_up, bus),
        "foreign_broker": foreign.check,
        "inner_broker": inner_is_up,
    }
    measure = OwnMeasures(otlp.instruments(settings))
    await Health(bus=bus, service=settings.service, parts=checks, measure=measure).start()
    return Service(
        loops={
            "foreign": partial(foreign.run, hooks),
            "inner": inner.run,
            "stored": stored.run,
            "fleeting": fleeting.run,
            "mirror": partial(down.run, inner),
        },
        closers=[bus.close],
    )


def _hooks(stored: Stored, fleeting: Fleeting, down: Downward) -> Hooks:
    """Return who is told what the foreign broker says."""

    def received(message: Received) -> None:
        if is_retained(message.topic):
            down.foreign_said(message.topic, message.payload)
        elif any(fits(message.topic, one) for one in FLEETING):
            fleeting.take(message)
        else:
            stored.take(message)

    def connected(session_present: bool) -> None:  # noqa: FBT001 - a hook's only word
        stored.connected(session_present=session_present)
        down.foreign_connected()

    return Hooks(received=received, connected=connected, lost=down.foreign_lost)


async def _bus_is_up(bus: Client) -> None:
    if not bus.is_connected:
        raise ConnectionError("the bus is away")
