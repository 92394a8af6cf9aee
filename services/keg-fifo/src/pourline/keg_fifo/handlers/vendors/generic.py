"""Any vendor that sends JSON: a map says where each field of a spout event stands."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from pourline.contracts.spouts import InstantAt, PulsesAt, SpoutMap, TimeFormat
from pourline.keg_fifo.errors import UnreadablePour
from pourline.keg_fifo.handlers.vendors.reading import Fields, Reading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_A_UNIT = {TimeFormat.EPOCH_S: Decimal(1), TimeFormat.EPOCH_MS: Decimal("0.001")}
MICROSECONDS = 10**6


def normal(fields: Fields, *, where: SpoutMap) -> Reading:
    """Return what the map finds; raises `UnreadablePour` where a value is no number or instant."""
    found: dict[str, Any] = {"pulses": _pulses(fields, where.pulses)}
    sent_at = at(fields, where.occurred_at.path) if where.occurred_at else None
    if where.occurred_at and sent_at is not None:
        found["occurred_at"] = _instant(sent_at, where.occurred_at)
    for name in ("event_id", "signature"):
        if (path := getattr(where, name)) and (value := at(fields, path)) is not None:
            found[name] = str(value)
    if where.channel and (channel := at(fields, where.channel)) is not None:
        found["channel"] = _whole(_number(channel, where.channel))
    return Reading(fields=found, sent_at="" if sent_at is None else sent_at, is_own=True)


def at(fields: Fields, path: str) -> Any:  # noqa: ANN401 a payload's field may be anything
    """Return the value at a dotted path; None where there is none."""
    found: Any = fields
    for name in path.split("."):
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _pulses(fields: Fields, where: PulsesAt) -> int:
    value = at(fields, where.path)
    if value is None:
        raise UnreadablePour(f"{where.path}: is missing")
    return _whole(_number(value, where.path) * where.scale)


def _whole(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_HALF_UP))


def _number(value: object, path: str) -> Decimal:
    """Return a JSON number, or one in a text, exactly; a float is taken by its digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnreadablePour(f"{path}: is no number")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise UnreadablePour(f"{path}: is no number") from error
    if not number.is_finite() or abs(number) > NUMBER_MAX:
        raise UnreadablePour(f"{path}: is no usable number")
    return number


NUMBER_MAX = 10**15
"""More is neither a count nor an instant."""


def _instant(value: object, where: InstantAt) -> str:
    if where.format is TimeFormat.RFC3339:
        return str(value)
    seconds = _number(value, where.path) * SECONDS_A_UNIT[where.format]
    try:
        return (EPOCH + timedelta(microseconds=_whole(seconds * MICROSECONDS))).isoformat()
    except OverflowError as error:
        raise UnreadablePour(f"{where.path}: is before or after all time") from error
