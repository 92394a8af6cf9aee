"""pos-adapter's tables: the queue, copies of items, packages, sales."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from pourline.kit.tables import add_kit_tables, now

metadata = sa.MetaData()
add_kit_tables(metadata)

INSTANT = pg.TIMESTAMP(timezone=True)
QUANTITY = sa.Numeric(21, 6)

pos_event = sa.Table(
    "pos_event",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("guest", sa.Text),
    sa.Column("payload", pg.JSONB, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default=sa.text("'queued'")),
    sa.Column("adapter", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("error", sa.Text),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("next_attempt_at", INSTANT, nullable=False),
    sa.Column("sent_at", INSTANT),
    sa.UniqueConstraint("kind", "reference", name="one_notification_a_happening"),
    sa.CheckConstraint("status IN ('queued', 'sent', 'failed')", name="status_is_known"),
    sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_has_its_instant"),
    sa.Index("pos_event_queued", "number", postgresql_where=sa.text("status = 'queued'")),
    sa.Index("pos_event_by_status", "status", "number"),
    sa.Index(
        "pos_event_waiting",
        "next_attempt_at",
        postgresql_where=sa.text("status = 'queued'"),
    ),
)

pos_trouble = sa.Table(
    "pos_trouble",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("since", INSTANT, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False),
    sa.CheckConstraint("one", name="pos_trouble_is_one_row"),
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("tracking_enabled", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("stock", QUANTITY, nullable=False, server_default=sa.text("0")),
    sa.Column("moved", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("is_changed", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Index("item_changed", "id", postgresql_where=sa.text("is_changed")),
)

package = sa.Table(
    "package",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("price", sa.BigInteger, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("told_sellable", sa.Numeric(30, 0)),
    sa.Column("told_bottleneck_id", pg.UUID, sa.ForeignKey("item.id")),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.CheckConstraint("told_sellable >= 0", name="less_than_nothing_is_never_sold"),
    sa.CheckConstraint(
        "(told_sellable IS NULL) = (told_bottleneck_id IS NULL)", name="what_limits_has_a_name"
    ),
)

package_part = sa.Table(
    "package_part",
    metadata,
    sa.Column("package_id", pg.UUID, sa.ForeignKey("package.id"), primary_key=True),
    sa.Column("item_id", pg.UUID, sa.ForeignKey("item.id"), primary_key=True),
    sa.Column("quantity", QUANTITY, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.CheckConstraint("quantity > 0", name="a_part_is_something"),
    sa.Index("part_of_item", "item_id"),
)

sale = sa.Table(
    "sale",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("transaction_id", sa.Text, nullable=False, unique=True),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("lines", pg.JSONB, nullable=False),
    sa.Column("takings", pg.JSONB, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("sold_by", sa.Text, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("recorded_at", INSTANT),
    sa.Index("sale_pending", "at", postgresql_where=sa.text("recorded_at IS NULL")),
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", pg.JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)
