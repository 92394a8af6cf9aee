"""alerts' tables; one open alert a cause is a unique index."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from pourline.kit.tables import add_kit_tables, now

metadata = sa.MetaData()
add_kit_tables(metadata)

INSTANT = pg.TIMESTAMP(timezone=True)

alert = sa.Table(
    "alert",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("subject_type", sa.Text, nullable=False),
    sa.Column("subject_id", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'open'")),
    sa.Column("opened_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("acknowledged_at", INSTANT),
    sa.Column("resolved_at", INSTANT),
    sa.Column("resolved_by", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("priority", sa.Text),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("told_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.CheckConstraint("state IN ('open', 'acknowledged', 'resolved')", name="state_is_known"),
    sa.Index(
        "one_alert_a_cause",
        "kind",
        "subject_type",
        "subject_id",
        unique=True,
        postgresql_where=sa.text("state <> 'resolved'"),
    ),
    sa.Index("alert_untold", "id", postgresql_where=sa.text("told_version < version")),
    sa.Index("alert_by_state", "state", "number"),
)

newest = sa.Table(
    "newest",
    metadata,
    sa.Column("about", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

standing_breach = sa.Table(
    "standing_breach",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject_type", sa.Text, primary_key=True),
    sa.Column("subject_id", sa.Text, primary_key=True),
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", pg.JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)
