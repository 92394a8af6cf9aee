"""keg-fifo's tables: kegs and their history on taps, items, batches, spouts."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from pourline.kit.tables import add_kit_tables, now

metadata = sa.MetaData()
add_kit_tables(metadata)

INSTANT = pg.TIMESTAMP(timezone=True)
VOLUME = sa.Numeric(18, 3)
QUANTITY = sa.Numeric(21, 6)
FACTOR = sa.Numeric(27, 12)

beverage = sa.Table(
    "beverage",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("abv", QUANTITY),
    sa.Column("price_per_litre", sa.BigInteger, nullable=False),
    sa.Column("price_from", INSTANT, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
)

beverage_price = sa.Table(
    "beverage_price",
    metadata,
    sa.Column("beverage_id", pg.UUID, primary_key=True),
    sa.Column("from_at", INSTANT, primary_key=True),
    sa.Column("price_per_litre", sa.BigInteger, nullable=False),
)

tap = sa.Table(
    "tap",
    metadata,
    sa.Column("tap_id", sa.Text, primary_key=True),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("beverage_id", pg.UUID),
)

keg = sa.Table(
    "keg",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("beverage_id", pg.UUID, sa.ForeignKey("beverage.id"), nullable=False),
    sa.Column("volume_ml", VOLUME, nullable=False),
    sa.Column("remaining_ml", VOLUME, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default=sa.text("'in_stock'")),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("connected_at", INSTANT),
    sa.Column("disconnected_at", INSTANT),
    sa.Column("tap_id", sa.Text, sa.ForeignKey("tap.tap_id")),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
    sa.CheckConstraint("remaining_ml BETWEEN 0 AND volume_ml", name="keg_holds_what_it_can"),
    sa.CheckConstraint(
        "(status = 'connected') = (tap_id IS NOT NULL)", name="connected_keg_has_tap"
    ),
    sa.CheckConstraint(
        "status IN ('in_stock', 'connected', 'empty', 'returned', 'discarded')",
        name="keg_status_is_known",
    ),
    sa.Index("one_keg_a_tap", "tap_id", unique=True),
    sa.Index("keg_in_fifo_order", "beverage_id", "status", "received_at", "id"),
)

connection = sa.Table(
    "connection",
    metadata,
    sa.Column("tap_id", sa.Text, primary_key=True),
    sa.Column("connected_at", INSTANT, primary_key=True),
    sa.Column("keg_id", pg.UUID, sa.ForeignKey("keg.id"), nullable=False),
    sa.Column("disconnected_at", INSTANT),
)

keg_taking = sa.Table(
    "keg_taking",
    metadata,
    sa.Column("client_tx_id", sa.Text, primary_key=True),
    sa.Column("tap_id", sa.Text, nullable=False),
    sa.Column("keg_id", pg.UUID),
    sa.Column("taken_ml", VOLUME, nullable=False),
    sa.Column("shortfall_ml", VOLUME, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.CheckConstraint("taken_ml >= 0 AND shortfall_ml >= 0", name="takings_are_not_negative"),
    sa.Index("taking_of_keg", "keg_id"),
    sa.Index("taking_of_tap", "tap_id", "started_at"),
)

keg_return = sa.Table(
    "keg_return",
    metadata,
    sa.Column("client_tx_id", sa.Text, primary_key=True),
    sa.Column("keg_id", pg.UUID),
    sa.Column("returned_ml", VOLUME, nullable=False),
    sa.Column("shortfall_ml", VOLUME, nullable=False),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.CheckConstraint("returned_ml >= 0 AND shortfall_ml >= 0", name="returns_are_not_negative"),
    sa.Index("return_to_keg", "keg_id"),
)

pour_class = sa.Table(
    "pour_class",
    metadata,
    sa.Column("client_tx_id", sa.Text, primary_key=True),
    sa.Column("class", sa.Text, nullable=False),
    sa.Column("is_decided", sa.Boolean, nullable=False),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.CheckConstraint(
        "class IN ('poured', 'free', 'ghost', 'waste', 'held')", name="pour_class_is_known"
    ),
)

cleaning = sa.Table(
    "cleaning",
    metadata,
    sa.Column("tap_id", sa.Text, primary_key=True),
    sa.Column("began_at", INSTANT, primary_key=True),
    sa.Column("ended_at", INSTANT, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.CheckConstraint("ended_at >= began_at", name="cleaning_ends_after_it_begins"),
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("low_stock_threshold", QUANTITY),
    sa.Column("tracking_enabled", sa.Boolean, nullable=False),
    sa.Column("consumed_by", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("stock", QUANTITY, nullable=False, server_default=sa.text("0")),
    sa.Column("moved", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("counted_at", INSTANT),
    sa.CheckConstraint("unit IN ('ml', 'ltr', 'each')", name="unit_is_known"),
)

batch = sa.Table(
    "batch",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("item_id", pg.UUID, sa.ForeignKey("item.id"), nullable=False),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("remaining", QUANTITY, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
    sa.CheckConstraint("remaining BETWEEN 0 AND quantity", name="batch_holds_what_it_can"),
    sa.Index("batch_in_fifo_order", "item_id", "received_at", "id"),
    sa.Index(
        "batch_with_stock",
        "item_id",
        "received_at",
        "id",
        postgresql_where=sa.text("remaining > 0"),
    ),
)

batch_taking = sa.Table(
    "batch_taking",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("batch_id", pg.UUID, sa.ForeignKey("batch.id"), nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("device_id", pg.UUID, nullable=False),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.Index("taking_of_event", "device_id", "event_id"),
)

shortfall = sa.Table(
    "shortfall",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("item_id", pg.UUID, sa.ForeignKey("item.id"), nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("device_id", pg.UUID, nullable=False),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("open_quantity", QUANTITY, nullable=False),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.UniqueConstraint("device_id", "event_id", name="one_shortfall_an_event"),
    sa.CheckConstraint("open_quantity BETWEEN 0 AND quantity", name="shortfall_only_shrinks"),
    sa.Index("open_shortfall", "item_id", "id", postgresql_where=sa.text("open_quantity > 0")),
)

movement = sa.Table(
    "movement",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("item_id", pg.UUID, sa.ForeignKey("item.id"), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("delta", QUANTITY, nullable=False),
    sa.Column("stock_after", QUANTITY, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("transaction_id", sa.Text, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.UniqueConstraint("item_id", "number", name="movements_are_numbered"),
    sa.UniqueConstraint("item_id", "transaction_id", name="one_movement_a_transaction"),
    sa.CheckConstraint("delta <> 0", name="movement_moves_something"),
    sa.CheckConstraint(
        "source IN ('purchase', 'manual_adjustment', 'reconciliation', 'system', 'pour', "
        "'receipt')",
        name="source_is_known",
    ),
)

moved_since_count = sa.Table(
    "moved_since_count",
    metadata,
    sa.Column("item_id", pg.UUID, sa.ForeignKey("item.id"), primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("delta", QUANTITY, nullable=False),
)

sale_taking = sa.Table(
    "sale_taking",
    metadata,
    sa.Column("transaction_id", sa.Text, primary_key=True),
    sa.Column("answer", pg.JSONB),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", pg.JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

spout = sa.Table(
    "spout",
    metadata,
    sa.Column("device_id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("vendor", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("online", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("battery_pct", sa.Numeric(5, 2)),
    sa.Column("health_at", INSTANT),
    sa.Column("last_seen_at", INSTANT),
    sa.Column("rssi_dbm", sa.Integer),
    sa.Column("firmware", sa.Text),
    sa.Column("silent", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("battery_low", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("health_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
)

spout_meter = sa.Table(
    "spout_meter",
    metadata,
    sa.Column("device_id", pg.UUID, primary_key=True),
    sa.Column("base_pulses", sa.BigInteger, nullable=False),
    sa.Column("lifetime_pulses", sa.BigInteger, nullable=False),
    sa.Column("told_pulses", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("off_pulses", sa.BigInteger),
    sa.Column("off_since", INSTANT),
    sa.Column("heard_at", INSTANT),
)

calibration = sa.Table(
    "calibration",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("device_id", pg.UUID, nullable=False),
    sa.Column("channel", sa.Integer, nullable=False),
    sa.Column("item_id", pg.UUID, sa.ForeignKey("item.id"), nullable=False),
    sa.Column("ml_per_pulse", FACTOR, nullable=False),
    sa.Column("effective_from", INSTANT, nullable=False),
    sa.Column("source", sa.Text, nullable=False, server_default=sa.text("'given'")),
    sa.Column("samples", sa.Integer),
    sa.Column("spread", QUANTITY),
    sa.UniqueConstraint("device_id", "channel", "effective_from", name="one_factor_at_a_time"),
)

spout_event = sa.Table(
    "spout_event",
    metadata,
    sa.Column("device_id", pg.UUID, primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("channel", sa.Integer, nullable=False),
    sa.Column("pulses", sa.BigInteger, nullable=False),
    sa.Column("item_id", pg.UUID),
    sa.Column("volume_ml", VOLUME),
    sa.Column("quantity", QUANTITY),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("looked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint("status IN ('accepted', 'uncalibrated')", name="spout_status_is_known"),
    sa.CheckConstraint(
        "(status = 'accepted') = (quantity IS NOT NULL)", name="accepted_drink_is_booked"
    ),
    sa.Index(
        "spout_event_to_look_at",
        "number",
        postgresql_where=sa.text("status = 'accepted' AND NOT looked"),
    ),
    sa.Index("spout_event_by_time", "occurred_at", "number"),
    sa.Index("spout_event_of_device", "device_id", "occurred_at", "number"),
    sa.Index(
        "spout_event_uncalibrated",
        "device_id",
        "channel",
        postgresql_where=sa.text("status = 'uncalibrated'"),
    ),
)

anomaly = sa.Table(
    "anomaly",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("business_day", sa.Date, nullable=False),
    sa.Column("explanation", sa.Text, nullable=False),
    sa.Column("figures", pg.JSONB, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.UniqueConstraint("kind", "subject", "business_day", name="one_anomaly_a_day"),
)

package_part = sa.Table(
    "package_part",
    metadata,
    sa.Column("package_id", sa.Text, primary_key=True),
    sa.Column("item_id", pg.UUID, primary_key=True),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

sold = sa.Table(
    "sold",
    metadata,
    sa.Column("sale_id", sa.Text, primary_key=True),
    sa.Column("item_id", pg.UUID, primary_key=True),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Index("sold_by_time", "at"),
)

day_looked_at = sa.Table(
    "day_looked_at",
    metadata,
    sa.Column("business_day", sa.Date, primary_key=True),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
)
