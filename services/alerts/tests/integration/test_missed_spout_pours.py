"""What ran from a spout, and what no pour told of, is an alert of the spout."""

from datetime import UTC, datetime
from decimal import Decimal

from pourline.alerts.handlers import desk, devices
from pourline.contracts.base import Envelope
from pourline.contracts.evening import ListAlerts
from pourline.contracts.spouts import SpoutPourMissed
from pourline.kit.db import Database
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

AT = datetime(2026, 5, 1, 20, tzinfo=UTC)


async def test_a_pour_that_no_spout_told_of_is_an_alert_of_the_spout(
    fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    missed = SpoutPourMissed(
        device_id=str(new_id()),
        name="Gin spout",
        location="main",
        volume_ml=Decimal("40.5"),
        pulses=81,
        lifetime_pulses=1_081,
        at=AT,
    )
    event = Envelope[SpoutPourMissed](
        id=str(new_id()),
        type="spout.pour_missed.v1",
        source="keg-fifo",
        subject="x",
        time=AT,
        aggregate="spout_meter:x",
        version=1,
        data=missed,
    )
    database = Database(url=fresh_database("alerts"), service="alerts", clock=clock)
    await database.open()
    async with database.transaction() as unit:
        await devices.on_missed_spout_pours([event, event], unit)
    async with database.transaction() as unit:
        [alert] = (await desk.list_alerts(ListAlerts(), unit, Context(actor="anna"))).items
    await database.close()

    assert (alert.kind, alert.title) == ("missed_pour", "A pour at Gin spout is missing")
    assert (alert.subject.type, alert.subject.id) == ("spout", missed.device_id)
