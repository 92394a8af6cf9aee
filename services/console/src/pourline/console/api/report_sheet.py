"""A shift's report as rows of one sheet: its lines, and what it says besides in their columns."""

from collections.abc import Iterable
from typing import Any

import orjson

COLUMNS = ("bucket", "by", "key", "what", "count", "volume_ml", "amount", "quantity")
AMOUNTS = ("opening_float", "cash_expected", "counted_cash", "cash_difference")
WORDS = (
    "location",
    "business_day",
    "status",
    "opened_at",
    "opened_by",
    "closed_at",
    "closed_by",
    "comment",
)

Row = dict[str, Any]


def rows_of_report(answer: bytes) -> list[Row]:
    """Return a report's lines, then its totals (`by` total), the till, its facts and its team.

    Who reads the lines by what they are broken down by finds them as they were.
    """
    report: Row = orjson.loads(answer)
    lines: list[Row] = report["lines"]
    said = {name for name, value in report.items() if value is not None}
    return [
        *lines,
        *_totals("own", report["figures"], lines),
        *_totals("late", report["late"], lines),
        *(_row("till", name, amount=report[name]) for name in AMOUNTS if name in said),
        *(_row("shift", name, key=report[name]) for name in WORDS if name in said),
        *(_row("team", _stay(one), key=one["name"]) for one in report["team"]),
    ]


def _totals(bucket: str, figures: Row, lines: Iterable[Row]) -> list[Row]:
    def counted(what: str) -> int:
        mine = (one for one in lines if (one["bucket"], one["what"]) == (bucket, what))
        return sum(one["count"] for one in mine)

    pours = {"volume_ml": figures["volume_ml"], "amount": figures["revenue"]}
    return [
        _row("total", "pours", bucket=bucket, count=figures["pours"], **pours),
        _row("total", "topups", bucket=bucket, amount=figures["topups"]),
        _row("total", "refunds", bucket=bucket, amount=figures["refunds"]),
        _row("total", "denials", bucket=bucket, count=figures["denials"]),
        _row("total", "alerts", bucket=bucket, count=counted("alerts")),
        _row("total", "manual_entries", bucket=bucket, count=counted("manual_entries")),
    ]


def _row(by: str, what: str, *, bucket: str = "own", key: str = "", **values: object) -> Row:
    return {"bucket": bucket, "by": by, "key": key, "what": what} | values


def _stay(member: Row) -> str:
    """Return when somebody worked, as an interval of ISO 8601."""
    return f"{member['joined_at']}/{member['left_at'] or '..'}"
