"""Configuration keys: their defaults and which values they take.

Sources: the outer contract's list of keys; requirement LK-7.
"""

import re
from dataclasses import dataclass
from typing import TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, kw_only=True)
class ConfigRule:
    """A configuration key: its default and which values it takes; `of` is what a list holds."""

    default: object
    kind: type
    least: int | float | None = None
    most: int | float | None = None
    pattern: str = ""
    of: re.Pattern[str] | None = None


CARD = re.compile(r"([0-9a-f]{8}|[0-9a-f]{14}|e0[0-9a-f]{14}|[0-9a-f]{20})")
"""A card's UID as it is kept: 4, 7 or 10 bytes, or 8 that begin with E0."""
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
    "pos_adapter": ConfigRule(default="log", kind=str, pattern=r"noop|log|manual|webhook"),
    "currency": ConfigRule(default="EUR", kind=str, pattern=r"[A-Z]{3}"),
    "timezone": ConfigRule(default="UTC", kind=ZoneInfo),
    "business_day_begins": ConfigRule(
        default="06:00", kind=str, pattern=r"(?:[01]\d|2[0-3]):[0-5]\d"
    ),
    "serving_hours": ConfigRule(
        default="", kind=str, pattern=r"((?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d)?"
    ),
    "staff_cards": ConfigRule(default=[], kind=list, of=CARD),
    "cleaning_interval_days": ConfigRule(default=14, kind=int, least=1, most=365),
    "device_silent_minutes": ConfigRule(default=1440, kind=int, least=1, most=43_200),
    "battery_low_pct": ConfigRule(default=20, kind=int, least=0, most=100),
    "volume_unit": ConfigRule(default="ml", kind=str, pattern=r"ml|cl|oz|pint"),
    "stale_lock_s": ConfigRule(default=900, kind=int, least=5, most=86_400),
    "package_low_stock_ratio": ConfigRule(default=0.2, kind=float, least=0, most=1),
    "stockout_prediction_days": ConfigRule(default=7, kind=int, least=0, most=28),
    "bottleneck_min_packages": ConfigRule(default=2, kind=int, least=1, most=1000),
    "notification_cooldown_hours": ConfigRule(default=24, kind=int, least=0, most=24 * 28),
    "escalation_minutes": ConfigRule(default=15, kind=int, least=0, most=24 * 60),
    "escalations_max": ConfigRule(default=3, kind=int, least=0, most=100),
    "sync_mismatch_critical_count": ConfigRule(default=3, kind=int, least=1, most=10_000),
}
"""Every configuration key of this version; requirement LK-7 and the contract's list."""
LIST_MAX = 100
ADDRESS_CHARACTERS_MAX = 254
LOCAL_PART_CHARACTERS_MAX = 64
"""RFC 5321, 4.5.3.1: what a server must take, and many do not take more."""
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
DOT_ATOM = re.compile(rf"{ATOM}(?:\.{ATOM})*")
QUOTED = re.compile(r'"(?:[\x21\x23-\x5b\x5d-\x7e]|\\[\x21-\x7e])+"')
DOMAIN = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
LITERAL = re.compile(r"\[[A-Za-z0-9.:]{2,}\]")


def fits(rule: ConfigRule, value: object) -> bool:
    """Return whether `value` may stand under a key with `rule`."""
    if rule.kind is bool:
        return isinstance(value, bool)
    if rule.kind in (int, float):
        return _number_fits(rule, value)
    if rule.kind is list:
        return _list_fits(rule.of, value)
    if not isinstance(value, str):
        return False
    return _is_zone(value) if rule.kind is ZoneInfo else bool(re.fullmatch(rule.pattern, value))


def wanted(rule: ConfigRule, value: object) -> str:
    """Return what a key takes, in words for whoever gave it `value`, which it does not take."""
    if rule.kind is bool:
        return "true or false"
    if rule.kind in (int, float):
        return f"{'a whole number' if rule.kind is int else 'a number'} {rule.least} to {rule.most}"
    if rule.kind is ZoneInfo:
        return "a time zone by its IANA name, as Europe/Rome"
    if rule.kind is not list:
        return f"text of the form {rule.pattern}"
    what = "card ids" if rule.of else "mail addresses (RFC 5322)"
    others = [one for one in value if not _list_fits(rule.of, [one])] if _is_list(value) else []
    return f"a list of {what}, {LIST_MAX} at most" + (f"; not {others[0]!r}" if others else "")


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _number_fits(rule: ConfigRule, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if rule.kind is int and not isinstance(value, int):
        return False
    above = rule.least is None or value >= rule.least
    return above and (rule.most is None or value <= rule.most)


def _list_fits(pattern: re.Pattern[str] | None, value: object) -> bool:
    """Return whether every one of a list is what `pattern` says, or a mail address."""
    if not isinstance(value, list) or len(value) > LIST_MAX:
        return False
    if pattern is None:
        return all(map(is_mail_address, value))
    return all(isinstance(one, str) and pattern.fullmatch(one) for one in value)


def is_mail_address(value: object) -> bool:
    """Return whether a value is an address as RFC 5322 writes it (addr-spec, 3.4.1).

    Nothing beside it: no name, no comment, no blank, none of what a header could be smuggled in
    with. The domain is a host name or a literal, as RFC 5321 needs it.
    """
    if not isinstance(value, str) or len(value) > ADDRESS_CHARACTERS_MAX:
        return False
    local, _, domain = value.rpartition("@")
    if len(local) > LOCAL_PART_CHARACTERS_MAX:
        return False
    is_local = DOT_ATOM.fullmatch(local) or QUOTED.fullmatch(local)
    return bool(is_local and (DOMAIN.fullmatch(domain) or LITERAL.fullmatch(domain)))


def _is_zone(value: str) -> bool:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
