"""Configuration keys in words: what each means, and how it is written and read.

What a value may be is its owner's rule; here it is only turned from text into JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from pourline.console.pages import words


class Kind(Enum):
    """What a key holds."""

    SWITCH = auto()
    NUMBER = auto()
    PERCENT = auto()
    TEXT = auto()
    ADDRESSES = auto()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A key, its name on the screen, what it means, and its choices if it has only those."""

    key: str
    label: str
    note: str
    kind: Kind = Kind.TEXT
    options: Mapping[str, str] | None = None


def _flag(key: str, label: str, off: str) -> Setting:
    return Setting(key=key, label=label, note=f"Off: {off}", kind=Kind.SWITCH)


def _number(key: str, label: str, note: str, kind: Kind = Kind.NUMBER) -> Setting:
    return Setting(key=key, label=label, note=note, kind=kind)


FLAGS = (
    _flag("FF_VISIT_ENFORCEMENT", "Visits", "a card's last visit may pour though it is closed."),
    _flag("FF_ACTIVE_TAP_LOCK", "One tap a visit", "a second tap opens within the same hold."),
    _flag(
        "FF_SYNC_STATUS_ENFORCEMENT",
        "Taps that owe pours",
        "a tap that is processing its sync shows so, and pours all the same.",
    ),
    _flag("FF_MANUAL_POUR_RECONCILE", "Pours entered by hand", "nobody can enter a pour by hand."),
    _flag(
        "FF_BACKEND_SHIFT_AUTHORITY",
        "What stands in a shift's way",
        "what stands in the way of closing is shown, and a shift closes all the same.",
    ),
    _flag("FF_LOST_CARD_ENFORCEMENT", "Lost cards", "a lost card pours, and it is recorded."),
    _flag("FF_POS_ADAPTER_STUB", "Point of sale", "nothing is queued for the point of sale."),
)
HOUSE = (
    Setting(key="currency", label="Currency", note="Three letters; fixed once money has moved."),
    Setting(key="timezone", label="Time zone", note="As in Europe/Berlin."),
    Setting(
        key="business_day_begins", label="The day begins at", note="As in 06:00: nights count back."
    ),
    Setting(
        key="volume_unit",
        label="Volumes are shown in",
        note="On the screens; papers and programs always speak millilitres.",
        options={"ml": "millilitres", "cl": "centilitres", "oz": "US ounces", "pint": "US pints"},
    ),
    Setting(key="serving_hours", label="Serving hours", note="As in 16:00-02:00; empty: always."),
    Setting(
        key="pos_adapter",
        label="Point of sale is told by",
        note="Nobody, the log, staff who work a queue off, or a signed webhook.",
        options={"noop": "nobody", "log": "the log", "manual": "staff", "webhook": "a webhook"},
    ),
    _flag(
        "inventory_tracking_enabled",
        "Stock tracking",
        "neither sales nor pours move stock; corrections do.",
    ),
)
POURING = (
    _number("min_pour_ml", "Smallest pour in ml", "A balance that does not cover it opens no tap."),
    _number("sync_timeout_s", "Sync timeout in s", "Then a tap shows its pour for staff to enter."),
    _number("stale_lock_s", "A lock is stale after s", "It is told then, and never opened by it."),
    _number("cleaning_interval_days", "Days between cleanings", "Of each line."),
)
ALERTS = (
    Setting(
        key="notification_recipients",
        label="Alerts are mailed to",
        note="Addresses with commas between.",
        kind=Kind.ADDRESSES,
    ),
    _number("keg_low_ratio", "A keg is low at %", "Of what it holds.", Kind.PERCENT),
    _number("package_low_stock_ratio", "A package is low at %", "Of the usual.", Kind.PERCENT),
    _number("stockout_prediction_days", "Stock-outs are foreseen for days", "0: never."),
    _number("bottleneck_min_packages", "A bottleneck limits packages", "So many at least."),
    _number("notification_cooldown_hours", "Hours until the same again", "Of stock alerts."),
    _number(
        "escalation_minutes", "Minutes until it is said again", "Of critical alerts; 0: never."
    ),
    _number("escalations_max", "Said again at most", "Times."),
    _number("sync_mismatch_critical_count", "Mismatches are critical from", "In number."),
    _number("device_silent_minutes", "A spout is silent after minutes", "Without any word."),
    _number("battery_low_pct", "A battery is low at %", "Of a spout."),
)
GROUPS = (
    ("House", HOUSE),
    ("Pouring", POURING),
    ("Alerts", ALERTS),
    ("Enforcement", FLAGS),
)
"""A key that the owner does not have is not shown."""


def text_of(setting: Setting, value: object) -> str:
    """Return a value as it stands in its field."""
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if setting.kind is Kind.PERCENT and isinstance(value, int | float):
        return words.quantity(Decimal(str(value)) * 100)
    return "" if value is None else str(value)


def value_of(setting: Setting, text: str) -> object:
    """Return what was written as a JSON value; raises `ValueError` for what is no number."""
    if setting.kind is Kind.ADDRESSES:
        return [one for one in text.replace(",", " ").replace(";", " ").split() if one]
    if setting.kind in {Kind.NUMBER, Kind.PERCENT}:
        found = words.number_of(text)
        if found is None:
            raise ValueError(f"{setting.label}: a number.")
        return _json_number(found / 100 if setting.kind is Kind.PERCENT else found)
    return text.strip()


def _json_number(number: Decimal) -> int | float:
    """Write a setting as JSON does; it is no money, volume or stock that is calculated with."""
    return int(number) if number == number.to_integral_value() else float(number)
