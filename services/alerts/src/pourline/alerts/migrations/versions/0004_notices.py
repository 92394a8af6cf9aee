"""Notifications, suppressions and the inventory monitor."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel", sa.Column("name", sa.Text(), nullable=False), sa.PrimaryKeyConstraint("name")
    )
    op.execute("INSERT INTO channel (name) VALUES ('mail')")
    op.create_table(
        "consumption",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", "day"),
    )
    op.create_table(
        "cooldown",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "reference"),
    )
    op.create_table(
        "item",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("tracked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("item_id"),
    )
    op.create_table(
        "monitor_run",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("packages_checked", sa.Integer(), nullable=False),
        sa.Column("notifications_sent", sa.Integer(), nullable=False),
        sa.Column("bottlenecks_detected", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_monitor_run_started_at"), "monitor_run", ["started_at"], unique=False)
    op.create_table(
        "package",
        sa.Column("package_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sellable", sa.BigInteger(), nullable=True),
        sa.Column("limit_item_id", sa.Text(), nullable=True),
        sa.Column("limit_name", sa.Text(), nullable=True),
        sa.Column("limit_available", sa.Numeric(), nullable=True),
        sa.PrimaryKeyConstraint("package_id"),
    )
    op.create_table(
        "package_day",
        sa.Column("package_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("package_id", "day"),
    )
    op.create_table(
        "suppression",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("until_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("kind IS NOT NULL OR subject IS NOT NULL", name="suppression_says_what"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index(
        "suppression_in_force",
        "suppression",
        ["until_at"],
        unique=False,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "notification",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.UUID(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_attempt_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_attempt_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("error_details", sa.Text(), nullable=True),
        sa.Column(
            "recipients",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "delivered_to",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("digest_id", sa.UUID(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sent_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'pending') = (next_attempt_at IS NOT NULL)",
            name="notification_is_due_or_over",
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'merged', 'sent', 'failed', 'logged')",
            name="notification_status",
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alert.id"],
        ),
        sa.ForeignKeyConstraint(
            ["digest_id"],
            ["notification.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("notification_by_status", "notification", ["status", "number"], unique=False)
    op.create_index(
        "notification_due",
        "notification",
        ["channel", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("notification_of_alert", "notification", ["alert_id"], unique=False)
    op.create_index(
        "notification_of_digest",
        "notification",
        ["digest_id"],
        unique=False,
        postgresql_where=sa.text("digest_id IS NOT NULL"),
    )
    op.add_column(
        "alert",
        sa.Column("was_raised", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "alert", sa.Column("suppressed_until", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column(
        "alert", sa.Column("escalations", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "alert", sa.Column("notified_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.create_index(
        "alert_suppressed",
        "alert",
        ["id"],
        unique=False,
        postgresql_where=sa.text("suppressed_until IS NOT NULL"),
    )
    op.create_index(
        "alert_unanswered",
        "alert",
        ["notified_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND severity = 'critical'"),
    )


def downgrade() -> None:
    op.drop_index(
        "alert_unanswered",
        table_name="alert",
        postgresql_where=sa.text("state = 'open' AND severity = 'critical'"),
    )
    op.drop_index(
        "alert_suppressed",
        table_name="alert",
        postgresql_where=sa.text("suppressed_until IS NOT NULL"),
    )
    op.drop_column("alert", "notified_at")
    op.drop_column("alert", "escalations")
    op.drop_column("alert", "suppressed_until")
    op.drop_column("alert", "was_raised")
    op.drop_index(
        "notification_of_digest",
        table_name="notification",
        postgresql_where=sa.text("digest_id IS NOT NULL"),
    )
    op.drop_index("notification_of_alert", table_name="notification")
    op.drop_index(
        "notification_due",
        table_name="notification",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index("notification_by_status", table_name="notification")
    op.drop_table("notification")
    op.drop_index(
        "suppression_in_force",
        table_name="suppression",
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.drop_table("suppression")
    op.drop_table("package_day")
    op.drop_table("package")
    op.drop_index(op.f("ix_monitor_run_started_at"), table_name="monitor_run")
    op.drop_table("monitor_run")
    op.drop_table("item")
    op.drop_table("cooldown")
    op.drop_table("consumption")
    op.drop_table("channel")
