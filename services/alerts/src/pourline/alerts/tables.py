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
    sa.Column("was_raised", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("suppressed_until", INSTANT),
    sa.Column("escalations", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("notified_at", INSTANT),
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
    sa.Index("alert_suppressed", "id", postgresql_where=sa.text("suppressed_until IS NOT NULL")),
    sa.Index(
        "alert_unanswered",
        "notified_at",
        postgresql_where=sa.text("state = 'open' AND severity = 'critical'"),
    ),
)

channel = sa.Table("channel", metadata, sa.Column("name", sa.Text, primary_key=True))

notification = sa.Table(
    "notification",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("alert_id", pg.UUID, sa.ForeignKey("alert.id")),
    sa.Column("payload", pg.JSONB, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default=sa.text("'pending'")),
    sa.Column("attempt_count", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("tries", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("last_attempt_at", INSTANT),
    sa.Column("next_attempt_at", INSTANT),
    sa.Column("error_details", sa.Text),
    sa.Column("recipients", pg.JSONB, nullable=False, server_default=sa.text("'[]'")),
    sa.Column("delivered_to", pg.JSONB, nullable=False, server_default=sa.text("'[]'")),
    sa.Column("digest_id", pg.UUID, sa.ForeignKey("notification.id")),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("sent_at", INSTANT),
    sa.CheckConstraint(
        "status IN ('pending', 'merged', 'sent', 'failed', 'logged')", name="notification_status"
    ),
    sa.CheckConstraint(
        "(status = 'pending') = (next_attempt_at IS NOT NULL)", name="notification_is_due_or_over"
    ),
    sa.Index(
        "notification_due",
        "channel",
        "next_attempt_at",
        postgresql_where=sa.text("status = 'pending'"),
    ),
    sa.Index("notification_by_status", "status", "number"),
    sa.Index("notification_of_alert", "alert_id"),
    sa.Index(
        "notification_of_digest", "digest_id", postgresql_where=sa.text("digest_id IS NOT NULL")
    ),
)

suppression = sa.Table(
    "suppression",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("kind", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("until_at", INSTANT, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("lifted_by", sa.Text),
    sa.Column("lifted_at", INSTANT),
    sa.CheckConstraint("kind IS NOT NULL OR subject IS NOT NULL", name="suppression_says_what"),
    sa.Index("suppression_in_force", "until_at", postgresql_where=sa.text("lifted_at IS NULL")),
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("quantity", sa.Numeric, nullable=False),
    sa.Column("tracked", sa.Boolean, nullable=False),
)

consumption = sa.Table(
    "consumption",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("quantity", sa.Numeric, nullable=False),
)

package = sa.Table(
    "package",
    metadata,
    sa.Column("package_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sellable", sa.BigInteger),
    sa.Column("limit_item_id", sa.Text),
    sa.Column("limit_name", sa.Text),
    sa.Column("limit_available", sa.Numeric),
)

package_day = sa.Table(
    "package_day",
    metadata,
    sa.Column("package_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("most", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
)

cooldown = sa.Table(
    "cooldown",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("started_at", INSTANT, nullable=False),
)

monitor_run = sa.Table(
    "monitor_run",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("started_at", INSTANT, nullable=False, index=True),
    sa.Column("duration_ms", sa.BigInteger, nullable=False),
    sa.Column("packages_checked", sa.Integer, nullable=False),
    sa.Column("notifications_sent", sa.Integer, nullable=False),
    sa.Column("bottlenecks_detected", sa.Integer, nullable=False),
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
