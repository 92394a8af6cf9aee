"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pourline.upkeep.migrations import append_only, start_counter

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "beverage",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("abv", sa.Numeric(precision=21, scale=6), nullable=True),
        sa.Column("price_per_litre", sa.BigInteger(), nullable=False),
        sa.Column("price_from", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("replayed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("msg_id", sa.UUID(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("consumer", "msg_id"),
    )
    op.create_table(
        "item",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("low_stock_threshold", sa.Numeric(precision=21, scale=6), nullable=True),
        sa.Column("tracking_enabled", sa.Boolean(), nullable=False),
        sa.Column("consumed_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("unit IN ('ml', 'ltr', 'each')", name="unit_is_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "keg_taking",
        sa.Column("client_tx_id", sa.Text(), nullable=False),
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("keg_id", sa.UUID(), nullable=True),
        sa.Column("taken_ml", sa.Numeric(precision=18, scale=3), nullable=False),
        sa.Column("shortfall_ml", sa.Numeric(precision=18, scale=3), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("taken_ml >= 0 AND shortfall_ml >= 0", name="takings_are_not_negative"),
        sa.PrimaryKeyConstraint("client_tx_id"),
    )
    op.create_index("taking_of_keg", "keg_taking", ["keg_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("msg_id", sa.UUID(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("aggregate", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("seq"),
    )
    op.create_index(
        "outbox_unnumbered", "outbox", ["id"], unique=False, postgresql_where=sa.text("seq IS NULL")
    )
    op.create_index(
        "outbox_unpublished",
        "outbox",
        ["seq"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_table(
        "outbox_counter",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("one", name="outbox_counter_is_one_row"),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "spout",
        sa.Column("device_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("online", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("battery_pct", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("health_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("device_id"),
    )
    op.create_table(
        "spout_event",
        sa.Column("device_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("channel", sa.Integer(), nullable=False),
        sa.Column("pulses", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=True),
        sa.Column("volume_ml", sa.Numeric(precision=18, scale=3), nullable=True),
        sa.Column("quantity", sa.Numeric(precision=21, scale=6), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status = 'accepted') = (quantity IS NOT NULL)", name="accepted_drink_is_booked"
        ),
        sa.CheckConstraint("status IN ('accepted', 'uncalibrated')", name="spout_status_is_known"),
        sa.PrimaryKeyConstraint("device_id", "event_id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("spout_event_by_time", "spout_event", ["occurred_at", "number"], unique=False)
    op.create_index(
        "spout_event_of_device", "spout_event", ["device_id", "occurred_at", "number"], unique=False
    )
    op.create_index(
        "spout_event_uncalibrated",
        "spout_event",
        ["device_id", "channel"],
        unique=False,
        postgresql_where=sa.text("status = 'uncalibrated'"),
    )
    op.create_table(
        "tap",
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("beverage_id", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("tap_id"),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=21, scale=6), nullable=False),
        sa.Column("remaining", sa.Numeric(precision=21, scale=6), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("remaining BETWEEN 0 AND quantity", name="batch_holds_what_it_can"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batch_in_fifo_order", "batch", ["item_id", "received_at", "id"], unique=False)
    op.create_index(
        "batch_with_stock",
        "batch",
        ["item_id", "received_at", "id"],
        unique=False,
        postgresql_where=sa.text("remaining > 0"),
    )
    op.create_table(
        "calibration",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("device_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("ml_per_pulse", sa.Numeric(precision=21, scale=6), nullable=False),
        sa.Column("effective_from", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("device_id", "channel", "effective_from", name="one_factor_at_a_time"),
    )
    op.create_table(
        "keg",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("beverage_id", sa.UUID(), nullable=False),
        sa.Column("volume_ml", sa.Numeric(precision=18, scale=3), nullable=False),
        sa.Column("remaining_ml", sa.Numeric(precision=18, scale=3), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'in_stock'"), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("connected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("disconnected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("tap_id", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status = 'connected') = (tap_id IS NOT NULL)", name="connected_keg_has_tap"
        ),
        sa.CheckConstraint(
            "status IN ('in_stock', 'connected', 'empty', 'returned', 'discarded')",
            name="keg_status_is_known",
        ),
        sa.CheckConstraint("remaining_ml BETWEEN 0 AND volume_ml", name="keg_holds_what_it_can"),
        sa.ForeignKeyConstraint(["beverage_id"], ["beverage.id"]),
        sa.ForeignKeyConstraint(["tap_id"], ["tap.tap_id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "keg_in_fifo_order", "keg", ["beverage_id", "status", "received_at", "id"], unique=False
    )
    op.create_index("one_keg_a_tap", "keg", ["tap_id"], unique=True)
    op.create_table(
        "shortfall",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=21, scale=6), nullable=False),
        sa.Column("open_quantity", sa.Numeric(precision=21, scale=6), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("open_quantity BETWEEN 0 AND quantity", name="shortfall_only_shrinks"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("device_id", "event_id", name="one_shortfall_an_event"),
    )
    op.create_index(
        "open_shortfall",
        "shortfall",
        ["item_id", "id"],
        unique=False,
        postgresql_where=sa.text("open_quantity > 0"),
    )
    op.create_table(
        "batch_taking",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.UUID(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=21, scale=6), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("taking_of_event", "batch_taking", ["device_id", "event_id"], unique=False)
    op.create_table(
        "connection",
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("connected_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("keg_id", sa.UUID(), nullable=False),
        sa.Column("disconnected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["keg_id"], ["keg.id"]),
        sa.PrimaryKeyConstraint("tap_id", "connected_at"),
    )
    append_only("keg_taking")
    append_only("batch_taking")
    start_counter()


def downgrade() -> None:
    op.drop_table("connection")
    op.drop_index("taking_of_event", table_name="batch_taking")
    op.drop_table("batch_taking")
    op.drop_index(
        "open_shortfall", table_name="shortfall", postgresql_where=sa.text("open_quantity > 0")
    )
    op.drop_table("shortfall")
    op.drop_index("one_keg_a_tap", table_name="keg")
    op.drop_index("keg_in_fifo_order", table_name="keg")
    op.drop_table("keg")
    op.drop_table("calibration")
    op.drop_index("batch_with_stock", table_name="batch", postgresql_where=sa.text("remaining > 0"))
    op.drop_index("batch_in_fifo_order", table_name="batch")
    op.drop_table("batch")
    op.drop_table("tap")
    op.drop_index(
        "spout_event_uncalibrated",
        table_name="spout_event",
        postgresql_where=sa.text("status = 'uncalibrated'"),
    )
    op.drop_index("spout_event_of_device", table_name="spout_event")
    op.drop_index("spout_event_by_time", table_name="spout_event")
    op.drop_table("spout_event")
    op.drop_table("spout")
    op.drop_table("outbox_counter")
    op.drop_index(
        "outbox_unpublished", table_name="outbox", postgresql_where=sa.text("published_at IS NULL")
    )
    op.drop_index("outbox_unnumbered", table_name="outbox", postgresql_where=sa.text("seq IS NULL"))
    op.drop_table("outbox")
    op.drop_index("taking_of_keg", table_name="keg_taking")
    op.drop_table("keg_taking")
    op.drop_table("item")
    op.drop_table("inbox")
    op.drop_table("idempotency")
    op.drop_table("dead_letter")
    op.drop_table("beverage")
    op.execute("DROP FUNCTION IF EXISTS refuse_change")
