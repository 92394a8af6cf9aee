"""pos-adapter's timers: handing notifications over, finishing sales, telling of packages."""

from pourline.pos_adapter.jobs.adapters import Adapter, adapters
from pourline.pos_adapter.jobs.sending import Sender
from pourline.pos_adapter.jobs.timers import FINISH_EVERY_S, TELL_EVERY_S, tell

__all__ = ["FINISH_EVERY_S", "TELL_EVERY_S", "Adapter", "Sender", "adapters", "tell"]
