"""What stands in the cells of a CSV, from the end points and from the page alike."""

import csv
import io
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pourline.console.api.shapes import sheet
from pourline.console.pages.sheets import text_of

Rows = list[dict[str, Any]]
COLUMNS = ("name", "negative", "tracking_enabled", "low_stock", "delta")


def over_http(rows: Rows) -> str:
    return sheet(orjson.dumps({"items": rows}), COLUMNS)


def at_the_page(rows: Rows) -> str:
    return bytes(text_of(rows, COLUMNS).body).decode()


@pytest.mark.parametrize("written", [over_http, at_the_page])
def test_a_truth_stands_as_in_json_and_null_is_empty(written: Callable[[Rows], str]) -> None:
    row = {
        "name": "=Gin",
        "negative": True,
        "tracking_enabled": False,
        "low_stock": None,
        "delta": -1.5,
    }

    [found] = csv.DictReader(io.StringIO(written([row])))

    assert found == {
        "name": "'=Gin",
        "negative": "true",
        "tracking_enabled": "false",
        "low_stock": "",
        "delta": "-1.5",
    }
