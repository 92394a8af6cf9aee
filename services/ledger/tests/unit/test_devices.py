"""What a pour's message says, before anything is known about it."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from pourline.kit.nats import Message
from pourline.ledger.devices import decode
from pourline.ledger.domain import Report

VISIT = UUID("019a9f5a-1234-7abc-8def-0123456789ab")


def report(**fields: object) -> Report:
    pour = {"client_tx_id": "tx", "short_id": "000001", "volume_ml": 300} | fields
    message = Message(
        subject="bar.main.tap.1.pour",
        data=orjson.dumps(pour),
        headers={},
        received_at=datetime.now(UTC),
        sequence=1,
        deliveries=1,
    )
    found = decode(message)
    assert isinstance(found, Report)
    return found


@pytest.mark.parametrize(
    "written", [str(VISIT), str(VISIT).upper(), VISIT.hex, f"{{{VISIT}}}", f"urn:uuid:{VISIT}"]
)
def test_an_id_of_ours_is_known_however_it_is_written(written: str) -> None:
    assert report(visit_id=written).visit_id == str(VISIT)


@pytest.mark.parametrize("written", ["nonsense", f"{VISIT}0", f"{VISIT}\n", f" {VISIT}"])
def test_a_text_that_is_no_id_stays_as_it_is(written: str) -> None:
    assert report(visit_id=written).visit_id == written


def test_what_a_tap_leaves_out_is_unknown() -> None:
    assert report().names_nobody
    assert not report().offline
