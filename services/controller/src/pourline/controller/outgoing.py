"""What one tap says over MQTT: questions, flow, pours, and its status, which is also its will."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from pourline.controller import payloads
from pourline.controller.clock import Clock
from pourline.controller.domain import Ask, Flow, Grant, Pour, volume_ml
from pourline.controller.link import Link, Will
from pourline.controller.settings import TapConfig

FIRMWARE: Final = "pourline-controller 1"
FLOW_EVERY_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Condition:
    """What a status says of a tap.

    `gas`: the last pour ended because its keg blew empty, and no other keg is known of yet.
    `pours` were stored in this life: each is a reason to tell the stored pulses, which never go
    back, not even with the power.
    """

    pending_sync: int
    is_open: bool
    pours: int
    pulses: int = field(compare=False)
    gas: bool = False


class Outgoing:
    """Writes and publishes one tap's messages; a link that is down takes none."""

    def __init__(
        self, config: TapConfig, *, link: Link, clock: Clock, condition: Callable[[], Condition]
    ) -> None:
        self._config = config
        self._link = link
        self._clock = clock
        self._condition = condition
        self._told: Condition | None = None

    def ask(self, ask: Ask) -> None:
        """Ask whether a card may pour."""
        fields: dict[str, object] = {
            "request_id": ask.request_id,
            "card_uid": ask.card_uid,
            "at": payloads.instant(self._clock.wall()),
            "age_ms": ask.age_ms,
        }
        self._link.publish(self._config.topic("authorize"), payloads.write(fields))

    def flow(self, grant: Grant, flow: Flow, before: Flow, over_ms: int) -> None:
        """Tell how a pour goes on, for whoever watches; its rate is that since `before`."""
        ml_per_pulse = self._config.rules.ml_per_pulse
        recent = max(0, flow.pulses - before.pulses) if over_ms < 2 * FLOW_EVERY_MS else 0
        fields: dict[str, object] = {
            "grant_id": grant.grant_id,
            "volume_ml": volume_ml(flow.pulses, ml_per_pulse),
            "pulses": flow.pulses,
            "rate_ml_s": round(volume_ml(recent, ml_per_pulse) * 1000 / over_ms, 3),
        }
        self._link.publish(self._config.topic("flow"), payloads.write(fields), qos=0)

    def pour(self, pour: Pour) -> bool:
        """Send a stored pour; say whether the link took it."""
        return self._link.publish(self._config.topic("pour"), payloads.pour(pour, self._clock))

    def status(self, *, anyway: bool = False) -> None:
        """Publish the status when it says something new, or anyway."""
        condition = self._condition()
        if not anyway and condition == self._told:
            return
        if self._link.publish(
            self._config.topic("status"), self._status(condition, online=True), retain=True
        ):
            self._told = condition

    def will(self, unanswered: int) -> Will:
        """Return what the broker says when this tap is gone: pours without a status are pending."""
        now = self._condition()
        gone = replace(now, pending_sync=unanswered, is_open=False)
        return Will(self._config.topic("status"), self._status(gone, online=False))

    def _status(self, condition: Condition, *, online: bool) -> bytes:
        fields: dict[str, object] = {
            "online": online,
            "at": payloads.instant(self._clock.wall()),
            "firmware": FIRMWARE,
            "pending_sync": condition.pending_sync,
            "valve": "open" if condition.is_open else "closed",
            "lifetime_pulses": condition.pulses,
            "gas": condition.gas,
        }
        return payloads.write(fields)
