"""A shift's report as a sheet: its lines as they were, and what it says besides."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from pourline.console.api.routes import Shape
from pourline.console.api.shapes import Shapes
from pourline.contracts.evening import ShiftFigures, ShiftMember
from pourline.contracts.shifts import ReportLine, ShiftReport
from pourline.kit.nats import Caller

AT = "2026-05-01T18:00:00Z"


class Nobody(Caller):
    """Is never asked."""

    def __init__(self) -> None:
        """Need no bus."""


def line(by: str, key: str, what: str, count: int = 1) -> ReportLine:
    return ReportLine(
        bucket="own", by=by, key=key, what=what, count=count, volume_ml=Decimal(0), amount=0
    )


@pytest.mark.requirement("SH-3")
async def test_the_sheet_of_a_report_has_its_totals_the_till_the_times_and_the_team() -> None:
    def figures(pours: int) -> ShiftFigures:
        return ShiftFigures(
            pours=pours, volume_ml=Decimal(300), revenue=270, topups=5_700, refunds=100, denials=2
        )

    stored: dict[str, Any] = {
        "id": "s",
        "location": "main",
        "status": "closed",
        "opened_at": AT,
        "opened_by": "anna",
        "opening_float": 10_000,
        "closed_at": "2026-05-02T02:00:00Z",
        "members": [],
        "figures": figures(3),
        "late": figures(1),
        "business_day": "2026-05-01",
        "team": [ShiftMember.model_validate({"name": "Ben", "joined_at": AT})],
        "closed_by": "cleo",
        "comment": "=quiet",
        "cash_expected": 14_900,
        "counted_cash": 14_800,
        "cash_difference": -100,
        "lines": [
            line("tap", "1", "pours", 3),
            line("alert", "keg_low", "alerts", 4),
            line("member", "anna", "manual_entries", 2),
        ],
    }
    report = ShiftReport.model_validate(stored)

    answer = report.model_dump_json(by_alias=True).encode()
    sheet = await Shapes(caller=Nobody()).complete(Shape.REPORT, answer, status=200, as_csv=True)
    rows = list(csv.DictReader(io.StringIO(bytes(sheet.body).decode())))

    own = {(one["by"], one["what"]): one for one in rows if one["bucket"] == "own"}
    assert [one["key"] for one in rows[:3]] == ["1", "keg_low", "anna"]
    total = own["total", "pours"]
    assert (total["count"], total["volume_ml"], total["amount"]) == ("3", "300", "270")
    assert own["total", "topups"]["amount"] == "5700"
    assert own["total", "refunds"]["amount"] == "100"
    counts = [own["total", what]["count"] for what in ("denials", "alerts", "manual_entries")]
    assert counts == ["2", "4", "2"]
    assert [own["till", name]["amount"] for name in ("opening_float", "cash_expected")] == [
        "10000",
        "14900",
    ]
    assert own["till", "cash_difference"]["amount"] == "-100"
    assert (own["shift", "opened_at"]["key"], own["shift", "comment"]["key"]) == (AT, "'=quiet")
    assert own["team", f"{AT}/.."]["key"] == "Ben"
    late = [one for one in rows if one["bucket"] == "late" and one["by"] == "total"]
    assert (late[0]["what"], late[0]["count"]) == ("pours", "1")
