"""Logs as JSON facts, and traces that cross MQTT, NATS and the outbox.

A trace travels as a W3C `traceparent`: in a device's payload, in a NATS header, in the outbox
row. Where they go is `pourline.upkeep`'s affair; without an endpoint a span costs next to nothing.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: the event's name, when, where from, and the fields beside it."""

    def __init__(self, *, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = f"{span.trace_id:032x}"
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logs(*, service: str, level: str = "INFO") -> None:
    """Send this process's logs to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service=service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The clients report each reconnect as an error of theirs; ours say it once, with fields.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


@contextmanager
def span(name: str, *, parent: str | None = None) -> Iterator[None]:
    """Open a span named by a template (never an id), below `parent`, a `traceparent`."""
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    with trace.get_tracer("pourline").start_as_current_span(name, context=context):
        yield


def traceparent() -> str | None:
    """Return the present span as a `traceparent`, or None outside of any."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")
