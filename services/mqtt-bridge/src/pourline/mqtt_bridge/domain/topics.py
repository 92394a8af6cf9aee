"""Topics of a foreign broker as subjects of the bus, and which of them the bus can carry.

A topic may hold what a subject may not: spaces, dots, wildcards, empty levels. Ids are what the
outer contract says (section 1): chosen by staff, or, for spouts, made by us.
"""

import re

from pourline.mqtt_bridge.errors import NotCarried

CHOSEN_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
MADE_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
"""A UUID with its dashes is longer than any id that staff may choose."""

LEVELS = 5


def subject_of(topic: str) -> str:
    """Return the subject of `bar/{location}/{kind}/{id}/{name}`; raises `NotCarried`."""
    levels = topic.split("/")
    if len(levels) != LEVELS:
        raise NotCarried("not_a_device_topic")
    _, location, kind, device_id, _ = levels
    pattern = MADE_ID if kind == "spout" else CHOSEN_ID
    if not CHOSEN_ID.fullmatch(location) or not pattern.fullmatch(device_id):
        raise NotCarried("topic_not_carried")
    return ".".join(levels)


def topic_filter(subject: str) -> str:
    """Return the MQTT topic filter of a subject with `*` for one level."""
    return subject.replace(".", "/").replace("*", "+")


def fits(topic: str, topic_filter: str) -> bool:
    """Return whether a topic matches a filter whose only wildcard is `+`."""
    levels, wanted = topic.split("/"), topic_filter.split("/")
    return len(levels) == len(wanted) and all(
        want in {"+", level} for level, want in zip(levels, wanted, strict=True)
    )
