"""Calibrating a spout on live pulses: pour, read the measure, say what was in it, done.

A pour that is not calibrated yet is told in no event, so the open wizard asks each turn.
"""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.forms import Choice, key_for, once
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.parts import Part, Words, bring_into_view, field, icon_button
from pourline.console.pages.shell import Screen
from pourline.contracts import cellar
from pourline.contracts.base import Listing
from pourline.contracts.cellar import Calibrate, Item
from pourline.contracts.spouts import ListSpoutEvents, SpoutEvent
from pourline.contracts.taps import SpoutDevice

SHOWN_MAX = 10
ASK_EVERY = timedelta(seconds=1)
CHANNELS = {str(number): str(number) for number in range(8)}
FACTOR_STEP = Decimal("0.000001")
TAKES_SAMPLES = "samples" in Calibrate.model_fields


class Calibration:
    """The wizard; empty until a spout is chosen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._root = Part("section", "chosen", aria_label="Calibration")
        self.close()

    def close(self) -> None:
        """Show nothing, and ask for nothing."""
        self._root.clear()
        self._spout: SpoutDevice | None = None
        self._since: datetime | None = None
        self._asked_at: datetime | None = None
        self._events: list[SpoutEvent] = []
        self._measured: dict[str, ui.input] = {}
        self._rows: Part | None = None

    def open(self, spout: SpoutDevice, items: list[Item]) -> None:
        """Begin with the pours that this spout makes from now on."""
        self.close()
        self._spout, self._since = spout, self._screen.board.now()
        title = f"Calibrate {spout.name}"
        with self._root, Part("article", "card", aria_label=title):
            with Part("header", "view-head"):
                Words("h2", text=title)
                icon_button("Leave", "close", self.close)
            if not items:
                Words("p", "soft", "Add an item counted in millilitres or litres first.")
                return
            with Part("div", "form"):
                names = {one.id: f"{one.name} ({one.unit.value})" for one in items}
                self._item = Choice("Item it pours", names)
                self._channel = Choice("Channel", CHANNELS)
                self._channel.changed = self._begin_rows
            Words(
                "p",
                "soft",
                "Pour into a measure, two or three times. Each pour appears here; "
                "write down how many millilitres were in the measure.",
            )
            self._rows = Part("div", "work")
            self._result = Words("p", "strong", role="status")
            with Part("div", "card-actions"):
                once("Save calibration", "primary", self._save, "straighten")
        self._begin_rows()
        bring_into_view(self._root)

    async def load(self) -> None:
        """Ask what the spout has counted since the wizard was opened."""
        if self._spout is None:
            return
        query = ListSpoutEvents.model_validate(
            {"deviceId": self._spout.id, "from": self._since, "limit": SHOWN_MAX}
        )
        self._events = (await self._screen.ask(query, Listing[SpoutEvent])).items

    def show(self) -> None:
        """Add the pours that came; what was written beside the others stays."""
        if self._spout is None or self._rows is None:
            return
        for event in reversed(self._of_channel()):
            if event.event_id not in self._measured and len(self._measured) < SHOWN_MAX:
                with self._rows:
                    self._row(event)
        self._waiting.set_visibility(not self._measured)
        now = self._screen.board.now()
        if self._asked_at is None or now - self._asked_at >= ASK_EVERY:
            self._asked_at = now
            self._screen.refresh()

    def _of_channel(self) -> list[SpoutEvent]:
        return [one for one in self._events if str(one.channel) == self._channel.value]

    def _begin_rows(self) -> None:
        if self._rows is None:
            return
        self._rows.clear()
        self._measured = {}
        with self._rows:
            self._waiting = Words("p", "soft", "Waiting for a pour…")

    def _row(self, event: SpoutEvent) -> None:
        at = words.clock_time(event.received_at, self._screen.board.timezone)
        with Part("div", "sample"):
            Words("span", text=f"{at} · {event.pulses:,} pulses")
            measured = field(f"Measured ml of pour {len(self._measured) + 1}", hint="40")
            measured.props("inputmode=decimal")
            measured.on_value_change(lambda _: self._work_out())
        self._measured[event.event_id] = measured

    def _samples(self) -> list[tuple[int, Decimal]]:
        """Return pulses and millilitres of the pours that somebody has measured."""
        pulses = {one.event_id: one.pulses for one in self._events}
        found = []
        for event_id, measured in self._measured.items():
            volume_ml = words.number_of(str(measured.value or ""))
            if volume_ml and volume_ml > 0 and pulses.get(event_id):
                found.append((pulses[event_id], volume_ml))
        return found

    def _work_out(self) -> None:
        samples = self._samples()
        if not samples:
            self._result.text = ""
            return
        number = words.count(len(samples), "pour", "pours")
        self._result.text = f"{factor_of(samples).normalize():f} ml per pulse, from {number}"

    async def _save(self, key: str) -> cellar.Calibration | None:
        samples = self._samples()
        if not samples or self._spout is None or self._screen.staff.level < MANAGER:
            self._result.text = "Measure at least one pour."
            return None
        order = Calibrate.model_validate(self._order(samples))
        made = await self._screen.order(order, cellar.Calibration, key=key_for(key, order))
        if made is not None:
            factor = made.ml_per_pulse.normalize()
            self._screen.tell(f"{self._spout.name}: {factor:f} ml per pulse from now on.")
            self.close()
        return made

    def _order(self, samples: list[tuple[int, Decimal]]) -> dict[str, Any]:
        order: dict[str, Any] = {
            "deviceId": self._spout.id if self._spout else "",
            "inventoryItemId": self._item.value,
            "channel": int(self._channel.value),
        }
        if TAKES_SAMPLES:
            return order | {"samples": [{"pulses": p, "measured_ml": ml} for p, ml in samples]}
        return order | {"mlPerPulse": factor_of(samples)}


def factor_of(samples: list[tuple[int, Decimal]]) -> Decimal:
    """Return millilitres a pulse over all samples together, so that a long pour weighs more."""
    volume_ml = sum((one[1] for one in samples), Decimal(0))
    pulses = sum(one[0] for one in samples)
    return (volume_ml / pulses).quantize(FACTOR_STEP, rounding=ROUND_HALF_UP)
