"""Several events of one subject in one message of the bus: a burst pays once for up to fifty.

What stores, syncs, delivers and acknowledges a message costs the same for one event as for fifty
(decision record 13). An event alone travels as its envelope, without a pack.

A pack is lines: number, id, trace (`-` for none) and envelope, parted by single blanks. JSON as we
write it has no line break outside an escape.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

HEADER = "Pourline-Pack"
"""Says that a message is a pack, and of how many events."""
EVENTS_MAX = 50
BYTES_MAX = 48 * 1024
"""Below the 64 KiB that the bus takes, headers included."""

_FIELDS = 4
_ROOM_FOR_THE_REST = 128
"""A number, an id, a trace and what parts them take at most this many bytes."""


class Told(NamedTuple):
    """An event as its producer's outbox tells it."""

    subject: str
    seq: int
    """Its number at the producer, from 1, without gaps."""
    msg_id: str
    traceparent: str
    """W3C Trace Context; empty for none."""
    payload: bytes
    """The envelope, JSON."""

    def headers(self) -> dict[str, str]:
        """Return the headers with which it travels alone."""
        headers = {"Nats-Msg-Id": self.msg_id, "Pourline-Seq": str(self.seq)}
        if self.traceparent:
            headers["traceparent"] = self.traceparent
        return headers


def packs_of(events: Sequence[Told]) -> Iterator[list[Told]]:
    """Part `events`, in their order, into what may travel together; each part has one subject."""
    pack: list[Told] = []
    size = 0
    for event in events:
        full = len(pack) == EVENTS_MAX or size + len(event.payload) > BYTES_MAX
        if pack and (full or event.subject != pack[0].subject):
            yield pack
            pack, size = [], 0
        pack.append(event)
        size += len(event.payload) + _ROOM_FOR_THE_REST
    if pack:
        yield pack


def packed(events: Sequence[Told]) -> bytes:
    """Return the pack's body."""
    return b"\n".join(
        f"{one.seq} {one.msg_id} {one.traceparent or '-'} ".encode() + one.payload for one in events
    )


def unpacked(subject: str, body: bytes) -> list[Told]:
    """Return a pack's events in order; raises `ValueError` when the body is none."""
    events = []
    for line in body.split(b"\n"):
        fields = line.split(b" ", _FIELDS - 1)
        if len(fields) != _FIELDS:
            raise ValueError("a line of a pack has a number, an id, a trace and an envelope")
        seq, msg_id, trace, payload = fields
        traceparent = "" if trace == b"-" else trace.decode("ascii")
        events.append(Told(subject, int(seq), msg_id.decode("ascii"), traceparent, payload))
    return events


def as_message(events: Sequence[Told]) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of the message in which `events` travel together."""
    first = events[0]
    if len(events) == 1:
        return first.payload, first.headers()
    its_own = {"Nats-Msg-Id": f"{first.msg_id}+{len(events) - 1}", HEADER: str(len(events))}
    return packed(events), first.headers() | its_own


def bodies(subject: str, body: bytes, headers: dict[str, str] | None) -> list[bytes]:
    """Return the envelopes in a message of the bus, pack or not; raises `ValueError`."""
    if headers and HEADER in headers:
        return [event.payload for event in unpacked(subject, body)]
    return [body]
