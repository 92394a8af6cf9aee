"""pos-adapter's tables; one notification a happening is a unique constraint."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from pourline.kit.tables import add_kit_tables, now

metadata = sa.MetaData()
add_kit_tables(metadata)

INSTANT = pg.TIMESTAMP(timezone=True)

pos_event = sa.Table(
    "pos_event",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
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
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", pg.JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)
