"""pos-adapter's timer: handing queued notifications to the adapter."""

from pourline.pos_adapter.jobs.adapters import ADAPTERS, Adapter
from pourline.pos_adapter.jobs.sending import Sender

__all__ = ["ADAPTERS", "Adapter", "Sender"]
