"""The bus: connection, topology, batch consumers, request and reply."""

from pourline.kit.nats.connection import connect
from pourline.kit.nats.consumer import BatchConsumer, Message
from pourline.kit.nats.events import EventConsumer, Handler
from pourline.kit.nats.requests import Caller, Context, Responder

__all__ = [
    "BatchConsumer",
    "Caller",
    "Context",
    "EventConsumer",
    "Handler",
    "Message",
    "Responder",
    "connect",
]
