"""Spout vendors: each payload becomes a normal event; a vendor is one file, or a map."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from pourline.contracts.base import Envelope
from pourline.contracts.spouts import IngestSpoutPour, SpoutMap
from pourline.contracts.taps import ConfigChanged
from pourline.keg_fifo.api import Webhook
from pourline.keg_fifo.errors import UnreadablePour
from pourline.keg_fifo.handlers import movements, vendors
from pourline.keg_fifo.handlers.vendors import Vendors, generic
from pourline.kit.ids import new_id
from pourline.testkit.cellar import STAFF, Cellar, open_cellar
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

ACME = {
    "pulses": {"path": "data.volume_ml", "scale": 1000},
    "event_id": "id",
    "occurred_at": {"path": "data.ts", "format": "epoch_ms"},
    "channel": "data.bottles.0.slot",
}
PAYLOAD = {
    "id": 4711,
    "device_id": "their own number",
    "data": {"volume_ml": 40.5, "ts": 1777665600500, "bottles": [{"slot": 3}]},
}


@pytest.fixture
async def bar(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Cellar]:
    async with open_cellar(fresh_database("keg-fifo"), clock) as cellar:
        cellar.keyring = cellar.unsigned()
        yield cellar


async def configure(bar: Cellar, key: str, value: object, version: int = 1) -> None:
    event = Envelope[ConfigChanged](
        id=str(new_id()),
        type="config.changed.v1",
        source="auth-lock",
        subject=f"config:{key}",
        time=bar.clock.now(),
        aggregate=f"config:{key}",
        version=version,
        data=ConfigChanged(key=key, value=value),
    )
    async with bar.database.transaction() as unit:
        await movements.know_config([event], unit)
    bar.clock.advance(seconds=vendors.MAPS_STAND_FOR.total_seconds())


async def by_webhook(bar: Cellar, body: dict[str, Any]) -> Any:  # noqa: ANN401 the answer's fields
    webhook = Webhook(keyring=bar.keyring, vendors=bar.vendors)
    order = IngestSpoutPour(device_id=str(bar.device), body=orjson.dumps(body).decode())
    await webhook.admit(order, STAFF)
    async with bar.database.transaction() as unit:
        return await webhook.ingest(order, unit, STAFF)


@pytest.mark.requirement("SP-9")
async def test_a_map_in_the_configuration_reads_a_vendors_own_payload(bar: Cellar) -> None:
    bar.is_made_by("Acme")
    item = await bar.item()
    await bar.receive(item, "1000")
    await bar.calibrate(item, "0.001", channel=3)
    before = await bar.say(PAYLOAD)
    await configure(bar, "spout_map.acme", ACME)

    [mqtt] = await bar.say(PAYLOAD)
    webhook = await by_webhook(bar, PAYLOAD)

    assert [one["status"] for one in before] == ["rejected"]
    assert mqtt == {"event_id": "4711", "status": "accepted", "volume_ml": 40.5}
    assert (webhook.status, webhook.volume_ml) == ("duplicate", Decimal("40.5"))
    [row] = await bar.rows("SELECT pulses, channel, occurred_at FROM spout_event")
    assert (row["pulses"], row["channel"]) == (40500, 3)
    assert row["occurred_at"].isoformat() == "2026-05-01T20:00:00.500000+00:00"
    assert await bar.remaining(item) == [Decimal("959.5")]


@pytest.mark.requirement("SP-9")
async def test_who_has_neither_file_nor_map_speaks_the_contracts_payload(bar: Cellar) -> None:
    bar.is_made_by("Nobody knows")

    [answer] = await bar.say({"pulses": 5, "event_id": "one"})

    assert answer["status"] == "uncalibrated"


@pytest.mark.requirement("SP-9")
async def test_the_default_vendor_reads_for_those_that_are_not_known(bar: Cellar) -> None:
    bar.is_made_by("Nobody knows")
    await configure(bar, "spout_map.acme", ACME)
    bar.read_with(Vendors(database=bar.database, clock=bar.clock, default="ACME"))

    [answer] = await bar.say(PAYLOAD)
    bar.is_made_by("SANDBOX")
    [own] = await bar.say({"pulses": 5, "event_id": "one"})

    assert (answer["event_id"], own["status"]) == ("4711", "uncalibrated")


DROPPED_IN = '''
"""TINY counts in dozens."""

from pourline.keg_fifo.handlers.vendors.reading import Fields, Reading

NAME = "Tiny"


def normal(fields: Fields) -> Reading:
    """Return dozens as pulses."""
    return Reading(fields={"pulses": 12 * fields["d"], "event_id": fields["n"]}, is_own=True)
'''


@pytest.mark.requirement("SP-9")
async def test_adding_a_vendor_is_adding_one_file(
    bar: Cellar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.py").write_text(DROPPED_IN)
    monkeypatch.setattr(vendors, "__path__", [*vendors.__path__, str(tmp_path)])
    bar.is_made_by("TINY")
    bar.read_with(Vendors(database=bar.database, clock=bar.clock))

    [answer] = await bar.say({"d": 3, "n": "one"})

    [row] = await bar.rows("SELECT pulses FROM spout_event")
    assert (answer["status"], row["pulses"]) == ("uncalibrated", 36)
    assert {"SANDBOX", "TINY"} <= set(vendors.by_name())


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"data": {"volume_ml": None}},
        {"data": {"volume_ml": True}},
        {"data": {"volume_ml": "much"}},
        {"data": {"volume_ml": 10**30}},
        {"data": {"volume_ml": "NaN"}},
        {"data": [1, 2]},
        {"data": {"volume_ml": 1, "ts": "yesterday"}},
        {"data": {"volume_ml": 1, "ts": 10**15}},
        {"data": {"volume_ml": 1, "bottles": [{"slot": {}}]}},
    ],
)
def test_what_a_map_cannot_read_is_refused_with_its_path(payload: dict[str, Any]) -> None:
    with pytest.raises(UnreadablePour) as refused:
        generic.normal(payload, where=SpoutMap.model_validate(ACME))

    assert "data" in refused.value.detail


@pytest.mark.parametrize(
    ("written", "how"),
    [
        ("2026-05-01T22:00:00+02:00", "rfc3339"),
        (1777665600, "epoch_s"),
        ("1777665600.000", "epoch_s"),
        (1777665600000, "epoch_ms"),
    ],
)
async def test_an_instant_is_the_same_however_it_is_written(
    bar: Cellar, written: object, how: str
) -> None:
    bar.is_made_by("other")
    places = {"pulses": {"path": "p"}, "occurred_at": {"path": "t", "format": how}}
    await configure(bar, "spout_map.other", places)

    [answer] = await bar.say({"p": 7, "t": written})

    [row] = await bar.rows("SELECT occurred_at FROM spout_event")
    assert answer["status"] == "uncalibrated"
    assert row["occurred_at"].isoformat() == "2026-05-01T20:00:00+00:00"
