"""Every metric of the bar: its kind, what it counts, and the only labels it may have.

Labels take values that the code or staff's configuration knows beforehand; never an id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric's values add up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One family.

    `is_shared` says that every instance of a service would tell the same, read from its database
    or the bus: it is told once. The others are told for each machine, with a label `host`.
    `bounds` are a histogram's, in its unit.
    """

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    is_shared: bool = False
    bounds: tuple[float, ...] = ()


ANSWER_BOUNDS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Close around what is promised: 30, 50 and 250 ms; and how bad it is beyond."""


def _counter(text: str, *labels: str) -> Metric:
    return Metric(kind=Kind.COUNTER, help=text, labels=labels)


def _gauge(text: str, *labels: str) -> Metric:
    return Metric(kind=Kind.GAUGE, help=text, labels=labels)


def _shared(text: str, *labels: str) -> Metric:
    return Metric(kind=Kind.GAUGE, help=text, labels=labels, is_shared=True)


def _latency(text: str, *labels: str) -> Metric:
    return Metric(kind=Kind.HISTOGRAM, help=text, labels=labels, bounds=ANSWER_BOUNDS_S)


OF_SERVICES: Mapping[str, Metric] = {
    "pourline_publish_seconds": _gauge("What the bus last took to store a round of events."),
    "pourline_commit_seconds": _gauge("What the database last took to commit and sync."),
    "pourline_process_resident_bytes": _gauge("Memory of the process, shared pages included."),
    "pourline_process_cpu_seconds_total": _counter("Processor time of the process."),
    "pourline_queue_pending": _shared("Messages that a consumer was not given yet.", "consumer"),
    "pourline_queue_unacknowledged": _shared(
        "Messages that a consumer was given and did not acknowledge.", "consumer"
    ),
    "pourline_outbox_unpublished": _shared("Events committed and not yet on the bus."),
    "pourline_dead_letters": _shared("Messages set aside and neither replayed nor closed."),
    "pourline_database_bytes": _shared("Size of the service's database."),
    "pourline_database_connections": _shared("Connections to the service's database."),
    "pourline_pours_answered_total": _counter(
        "Answers to pours by status; a repeat is answered again.", "status"
    ),
    "pourline_pour_answer_seconds": _latency("From the broker's receipt of a pour to its answer."),
    "pourline_spout_pours_answered_total": _counter("Answers to spout pours by status.", "status"),
    "pourline_authorize_answered_total": _counter(
        "Answers to cards by decision and reason.", "decision", "reason"
    ),
    "pourline_authorize_seconds": _latency("From the broker's receipt of a card to its answer."),
    "pourline_taps": _shared("Taps by state.", "state"),
    "pourline_taps_online": _shared("Taps whose controller is connected."),
    "pourline_taps_offline": _shared("Taps whose controller is not connected."),
    "pourline_taps_pending_pours": _shared("Pours that taps say they have still to send."),
    "pourline_alerts_open": _shared("Alerts that are not resolved.", "kind", "severity"),
    "pourline_notifications": _shared("Notifications that wait, or failed for good.", "status"),
    "pourline_notification_overdue_seconds": _shared("How late the latest notification is."),
    "pourline_pos_queue": _shared("Point of sale notifications, queued or failed.", "status"),
    "pourline_pos_oldest_seconds": _shared("Age of the oldest one that is queued."),
}
"""Told by services, each with the label `service`."""

OF_THE_BAR: Mapping[str, Metric] = {
    "pourline_up": _shared("Whether a service answers.", "service"),
    "pourline_ready": _shared("Whether a service and all its parts are well.", "service"),
    "pourline_part_up": _shared("Whether a part that a service needs is well.", "service", "part"),
    "pourline_uptime_seconds": _gauge("How long a process answers.", "service"),
    "pourline_build_info": _gauge("1; the version is a label.", "service", "version"),
    "pourline_stream_messages": _shared("Messages in a stream of the bus.", "stream"),
    "pourline_stream_bytes": _shared("Bytes in a stream of the bus.", "stream"),
    "pourline_backup_age_seconds": _shared("Age of the last backup; absent without one."),
    "pourline_scrape_seconds": _shared("How long asking all services took."),
}
"""Told by the console of the whole bar."""

OF_HTTP: Mapping[str, Metric] = {
    "pourline_http_requests_total": _counter(
        "Requests by method, route template and status.", "method", "route", "status"
    ),
    "pourline_http_request_seconds": _latency(
        "From a request to the first byte of its answer.", "method", "route"
    ),
}
"""Told by each console of itself."""

METRICS: Mapping[str, Metric] = {**OF_SERVICES, **OF_THE_BAR, **OF_HTTP}
"""Whatever is told and stands not here is a mistake."""

OF_STREAMS = frozenset({"pourline_stream_messages", "pourline_stream_bytes"})
"""Read by several services, and the same of each."""
