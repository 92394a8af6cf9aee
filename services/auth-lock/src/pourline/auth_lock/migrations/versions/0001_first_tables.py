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
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_subject", "audit", ["subject", "id"], unique=False)
    op.create_table(
        "beverage",
        sa.Column("beverage_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("beverage_id"),
    )
    op.create_table(
        "config",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column(
            "set_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("key"),
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
        "grant_answer",
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.UUID(), nullable=True),
        sa.Column("visit_id", sa.UUID(), nullable=True),
        sa.Column("renews", sa.UUID(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "asked_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'allowed', 'denied')", name="state_is_known"),
        sa.PrimaryKeyConstraint("tap_id", "request_id"),
        sa.UniqueConstraint("grant_id"),
    )
    op.create_index(
        "grant_unanswered",
        "grant_answer",
        ["asked_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "guest",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("phone_digits", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("age_verified_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("age_verified_by", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("guest_by_phone", "guest", ["phone_digits"], unique=False)
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
        "price",
        sa.Column("beverage_id", sa.UUID(), nullable=False),
        sa.Column("from_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("price_per_litre", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("beverage_id", "from_at"),
    )
    op.create_table(
        "spout",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("rotated_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name="staff_level_is_known"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("username"),
    )
    op.create_table(
        "tap",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("beverage_id", sa.UUID(), nullable=True),
        sa.Column("staff_order", sa.Text(), nullable=True),
        sa.Column("order_reason", sa.Text(), nullable=True),
        sa.Column("keg_id", sa.UUID(), nullable=True),
        sa.Column("keg_connected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("remaining_ml", sa.Numeric(precision=18, scale=3), nullable=True),
        sa.Column("volume_ml", sa.Numeric(precision=18, scale=3), nullable=True),
        sa.Column("online", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("pending_sync", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sync_was_reset", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("valve", sa.Text(), nullable=True),
        sa.Column("lifetime_pulses", sa.BigInteger(), nullable=True),
        sa.Column("status_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("told_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "tap_untold",
        "tap",
        ["id"],
        unique=False,
        postgresql_where=sa.text("told_version < state_version"),
    )
    op.create_table(
        "visit",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("guest_id", sa.UUID(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("card_uid", sa.Text(), nullable=True),
        sa.Column("limit_profile", sa.Text(), nullable=True),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_has_time"),
        sa.CheckConstraint("status IN ('active', 'closed')", name="visit_status_is_known"),
        sa.ForeignKeyConstraint(["guest_id"], ["guest.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index(
        "one_active_visit_a_card",
        "visit",
        ["card_uid"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "one_active_visit_a_guest",
        "visit",
        ["guest_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index("visit_by_card", "visit", ["card_uid", "number"], unique=False)
    op.create_index("visit_by_guest", "visit", ["guest_id", "number"], unique=False)
    op.create_table(
        "tap_lock",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("visit_id", sa.UUID(), nullable=False),
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.UUID(), nullable=False),
        sa.Column(
            "lock_set_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("released_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tap_id"], ["tap.id"]),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("lock_of_grant", "tap_lock", ["grant_id"], unique=False)
    op.create_index(
        "one_lock_a_tap",
        "tap_lock",
        ["tap_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "one_lock_a_visit",
        "tap_lock",
        ["visit_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    append_only("audit")
    start_counter()


def downgrade() -> None:
    op.drop_index(
        "one_lock_a_visit", table_name="tap_lock", postgresql_where=sa.text("released_at IS NULL")
    )
    op.drop_index(
        "one_lock_a_tap", table_name="tap_lock", postgresql_where=sa.text("released_at IS NULL")
    )
    op.drop_index("lock_of_grant", table_name="tap_lock")
    op.drop_table("tap_lock")
    op.drop_index("visit_by_guest", table_name="visit")
    op.drop_index("visit_by_card", table_name="visit")
    op.drop_index(
        "one_active_visit_a_guest",
        table_name="visit",
        postgresql_where=sa.text("status = 'active'"),
    )
    op.drop_index(
        "one_active_visit_a_card", table_name="visit", postgresql_where=sa.text("status = 'active'")
    )
    op.drop_table("visit")
    op.drop_index(
        "tap_untold", table_name="tap", postgresql_where=sa.text("told_version < state_version")
    )
    op.drop_table("tap")
    op.drop_table("staff")
    op.drop_table("spout")
    op.drop_table("price")
    op.drop_table("outbox_counter")
    op.drop_index(
        "outbox_unpublished", table_name="outbox", postgresql_where=sa.text("published_at IS NULL")
    )
    op.drop_index("outbox_unnumbered", table_name="outbox", postgresql_where=sa.text("seq IS NULL"))
    op.drop_table("outbox")
    op.drop_table("inbox")
    op.drop_table("idempotency")
    op.drop_index("guest_by_phone", table_name="guest")
    op.drop_table("guest")
    op.drop_index(
        "grant_unanswered", table_name="grant_answer", postgresql_where=sa.text("state = 'pending'")
    )
    op.drop_table("grant_answer")
    op.drop_table("dead_letter")
    op.drop_table("config")
    op.drop_table("beverage")
    op.drop_index("audit_by_subject", table_name="audit")
    op.drop_table("audit")
    op.execute("DROP FUNCTION IF EXISTS refuse_change")
