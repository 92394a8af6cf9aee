import re

import pytest
from pourline.contracts import subjects
from pourline.mqtt_bridge.domain import fits, subject_of, topic_filter
from pourline.mqtt_bridge.errors import NotCarried

MADE = "0190a1b2-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("bar/main/tap/3/pour", "bar.main.tap.3.pour"),
        ("bar/Cellar_1/tap/a-b/status", "bar.Cellar_1.tap.a-b.status"),
        (f"bar/main/tap/{'x' * 32}/flow", f"bar.main.tap.{'x' * 32}.flow"),
        (f"bar/main/spout/{MADE}/health", f"bar.main.spout.{MADE}.health"),
    ],
)
def test_a_devices_topic_is_a_subject(topic: str, subject: str) -> None:
    assert subject_of(topic) == subject


@pytest.mark.parametrize(
    "topic",
    [
        "bar/main/tap//pour",
        "bar//tap/3/pour",
        "bar/main/tap/a b/pour",
        "bar/main/tap/a.b/pour",
        "bar/main/tap/*/pour",
        "bar/main/tap/>/pour",
        "bar/main/tap/ä/pour",
        "bar/main/tap/3\n/pour",
        f"bar/main/tap/{'x' * 33}/pour",
        f"bar/main/spout/{'x' * 37}/pour",
        f"bar/{MADE}/tap/3/pour",
        "bar/main/tap/3",
        "bar/main/tap/3/pour/result",
        "",
    ],
)
def test_a_topic_that_no_subject_can_be_is_refused(topic: str) -> None:
    with pytest.raises(NotCarried):
        subject_of(topic)


def test_what_goes_up_never_comes_down_again() -> None:
    for down in subjects.TO_DEVICES:
        heard = re.sub(r"\*", "x", topic_filter(down).replace("+", "x"))
        assert not any(fits(heard, topic_filter(up)) for up in subjects.FROM_DEVICES)


def test_a_filter_fits_topics_of_its_own_length_only() -> None:
    assert fits("bar/main/tap/3/state", "bar/+/tap/+/state")
    assert not fits("bar/main/tap/3/state/x", "bar/+/tap/+/state")
    assert not fits("bar/main/spout/3/state", "bar/+/tap/+/state")
