"""A pack gives back what was put in, in order, and is never larger than a message may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.contracts.pack import (
    BYTES_MAX,
    EVENTS_MAX,
    HEADER,
    Told,
    as_message,
    bodies,
    packed,
    packs_of,
    unpacked,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SUBJECTS = ("evt.pour.accepted", "evt.pour.held")
BUS_TAKES = 64 * 1024

told = st.builds(
    Told,
    subject=st.sampled_from(SUBJECTS),
    seq=st.integers(1, 2**62),
    msg_id=st.uuids().map(str),
    traceparent=st.sampled_from(("", TRACE)),
    payload=st.dictionaries(st.text(), st.text()).map(lambda one: json.dumps(one).encode()),
)


@given(st.lists(told, max_size=200))
def test_nothing_is_lost_or_moved_on_the_way(events: list[Told]) -> None:
    arrived: list[Told] = []
    for pack in packs_of(events):
        subject = pack[0].subject
        body, headers = as_message(pack)
        assert len(pack) <= EVENTS_MAX
        if HEADER in headers:
            arrived += unpacked(subject, body)
            assert bodies(subject, body, headers) == [one.payload for one in pack]
        else:
            arrived += pack
            assert (body, headers) == (pack[0].payload, pack[0].headers())

    assert arrived == events


def test_large_events_travel_in_packs_that_the_bus_takes() -> None:
    events = [Told(SUBJECTS[0], seq, "0" * 36, TRACE, b"x" * 2_000) for seq in range(1, 101)]

    sizes = [
        len(body) + sum(len(name) + len(value) + 4 for name, value in headers.items())
        for body, headers in map(as_message, packs_of(events))
    ]

    assert max(sizes) < BUS_TAKES
    assert len(sizes) == 100 // (BYTES_MAX // 2_128) + 1


def test_an_event_too_large_for_any_pack_travels_alone() -> None:
    large = Told(SUBJECTS[0], 2, "b", "", b"x" * (BYTES_MAX + 1))
    small = [Told(SUBJECTS[0], seq, "a", "", b"{}") for seq in (1, 3)]

    assert list(packs_of([small[0], large, small[1]])) == [[small[0]], [large], [small[1]]]


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"1 a -", b"one a - {}", b"1 a - {}\n", b"1 \xff - {}"]
)
def test_what_is_no_pack_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"pack|int|codec"):
        unpacked(SUBJECTS[0], body)


def test_a_pack_has_an_id_of_its_own() -> None:
    """Else the bus would take its first event, told again alone, for a repeat of the pack."""
    events = [Told(SUBJECTS[0], seq, f"id-{seq}", "", b"{}") for seq in (1, 2, 3)]
    ids = {as_message(pack)[1]["Nats-Msg-Id"] for pack in (events, events[:1], events[:2])}

    assert len(ids) == 3
    assert packed(events).count(b"\n") == 2
