"""Configuration keys: their defaults and which values they take.

Sources: the outer contract's list of keys; requirement LK-7.
"""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, kw_only=True)
class ConfigRule:
    """A configuration key: its default and which values it takes."""

    default: object
    kind: type
    least: int | float | None = None
    most: int | float | None = None
    pattern: str = ""


FLAGS = (
    "FF_VISIT_ENFORCEMENT",
    "FF_ACTIVE_TAP_LOCK",
    "FF_SYNC_STATUS_ENFORCEMENT",
    "FF_MANUAL_POUR_RECONCILE",
    "FF_BACKEND_SHIFT_AUTHORITY",
    "FF_LOST_CARD_ENFORCEMENT",
    "FF_POS_ADAPTER_STUB",
)
CONFIG: dict[str, ConfigRule] = {
    **{flag: ConfigRule(default=True, kind=bool) for flag in FLAGS},
    "notification_recipients": ConfigRule(default=[], kind=list),
    "inventory_tracking_enabled": ConfigRule(default=True, kind=bool),
    "keg_low_ratio": ConfigRule(default=0.15, kind=float, least=0, most=1),
    "min_pour_ml": ConfigRule(default=50, kind=float, least=1, most=10_000),
    "sync_timeout_s": ConfigRule(default=120, kind=int, least=60, most=300),
    "pos_adapter": ConfigRule(default="log", kind=str, pattern=r"[a-z][a-z0-9_-]{0,31}"),
    "currency": ConfigRule(default="EUR", kind=str, pattern=r"[A-Z]{3}"),
    "timezone": ConfigRule(default="UTC", kind=ZoneInfo),
    "serving_hours": ConfigRule(
        default="", kind=str, pattern=r"((?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d)?"
    ),
    "stale_lock_s": ConfigRule(default=900, kind=int, least=5, most=86_400),
}
"""Every configuration key of this version; requirement LK-7 and the contract's list."""
ADDRESSES_MAX = 100
ADDRESS = re.compile(r"[^\s@\0]{1,64}@[^\s@\0]{1,189}")
"""What may be a mail address: the server has the last word on it."""


def fits(rule: ConfigRule, value: object) -> bool:
    """Return whether `value` may stand under a key with `rule`."""
    if rule.kind is bool:
        return isinstance(value, bool)
    if rule.kind in (int, float):
        return _number_fits(rule, value)
    if rule.kind is list:
        return isinstance(value, list) and len(value) <= ADDRESSES_MAX and all(map(_mail, value))
    if not isinstance(value, str):
        return False
    return _is_zone(value) if rule.kind is ZoneInfo else bool(re.fullmatch(rule.pattern, value))


def _number_fits(rule: ConfigRule, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if rule.kind is int and not isinstance(value, int):
        return False
    above = rule.least is None or value >= rule.least
    return above and (rule.most is None or value <= rule.most)


def _mail(value: object) -> bool:
    return isinstance(value, str) and bool(ADDRESS.fullmatch(value))


def _is_zone(value: str) -> bool:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
