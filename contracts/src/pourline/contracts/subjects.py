"""Every MQTT topic and NATS subject, as functions. No subject is typed by hand elsewhere.

On the built-in broker a topic *is* a subject: `/` becomes `.`; ids never hold either.
"""

from typing import NamedTuple

from pourline.contracts.device import Severity

AUTHORIZE = "bar.*.tap.*.authorize"
POUR = "bar.*.tap.*.pour"
FLOW = "bar.*.tap.*.flow"
STATUS = "bar.*.tap.*.status"
SPOUT_POUR = "bar.*.spout.*.pour"
SPOUT_HEALTH = "bar.*.spout.*.health"

AUTHORIZE_RESULT = "bar.*.tap.*.authorize.result"
POUR_RESULT = "bar.*.tap.*.pour.result"
TAP_COMMAND = "bar.*.tap.*.command"
TAP_STATE = "bar.*.tap.*.state"
SPOUT_RESULT = "bar.*.spout.*.pour.result"
ALERT = "bar.*.alerts.*.*"

FROM_DEVICES = (AUTHORIZE, POUR, FLOW, STATUS, SPOUT_POUR, SPOUT_HEALTH)
"""Everything that devices say."""

TO_DEVICES = (AUTHORIZE_RESULT, POUR_RESULT, TAP_COMMAND, SPOUT_RESULT, TAP_STATE, ALERT)
"""Everything that devices and screens hear; the last two are retained."""


class Device(NamedTuple):
    """Whose topic a subject is: `bar.{location}.{kind}.{device_id}.…`."""

    location: str
    kind: str
    device_id: str


def device_of(subject: str) -> Device:
    """Return the device in a device's subject; raises `ValueError` for any other subject."""
    parts = subject.split(".")
    if len(parts) < 5 or parts[0] != "bar":
        raise ValueError(f"{subject} is no device's subject")
    return Device(parts[1], parts[2], parts[3])


def topic(subject: str) -> str:
    """Return the MQTT topic that is `subject`."""
    return subject.replace(".", "/")


def subject(topic: str) -> str:
    """Return the NATS subject that is `topic`."""
    return topic.replace("/", ".")


def authorize_result(location: str, tap_id: str) -> str:
    """Subject of the answer to a card."""
    return f"bar.{location}.tap.{tap_id}.authorize.result"


def pour_result(location: str, tap_id: str) -> str:
    """Subject of the ledger's word on a pour."""
    return f"bar.{location}.tap.{tap_id}.pour.result"


def tap_command(location: str, tap_id: str) -> str:
    """Subject of commands to a tap."""
    return f"bar.{location}.tap.{tap_id}.command"


def tap_state_topic(location: str, tap_id: str) -> str:
    """Topic of a tap's retained state."""
    return f"bar/{location}/tap/{tap_id}/state"


def spout_result(location: str, device_id: str) -> str:
    """Subject of the answer to a spout's pour."""
    return f"bar.{location}.spout.{device_id}.pour.result"


def alert_topic(location: str, severity: Severity, alert_id: str) -> str:
    """Topic of a retained alert."""
    return f"bar/{location}/alerts/{severity.value}/{alert_id}"


ALERT_TOPICS = "bar/+/alerts/#"


def health(service: str) -> str:
    """Subject on which a service says how it is."""
    return f"health.{service}"


def alive(service: str) -> str:
    """Subject on which a service answers at once, whatever state its parts are in."""
    return f"health.{service}.alive"


def seen(service: str) -> str:
    """Subject on which a service says whether it has taken in given events."""
    return f"qry.{service}.kit.seen"


def told(service: str) -> str:
    """Return where `service` says which of its events it has told."""
    return f"qry.{service}.kit.told"


def replay(service: str) -> str:
    """Return where `service` takes the request to tell events again."""
    return f"cmd.{service}.kit.replay"
