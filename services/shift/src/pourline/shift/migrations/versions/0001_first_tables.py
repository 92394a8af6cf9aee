"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pourline.upkeep.migrations import start_counter

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        "shift",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opening_float", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'closed') = (closed_at IS NOT NULL)", name="closed_has_an_end"
        ),
        sa.CheckConstraint("status IN ('open', 'closing', 'closed')", name="status_is_known"),
        sa.CheckConstraint("opening_float >= 0", name="float_is_not_negative"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "one_open_shift_a_location",
        "shift",
        ["location"],
        unique=True,
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.create_table(
        "unassigned_figure",
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("pours", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("revenue", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("topups", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refunds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("denials", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "volume_ml",
            sa.Numeric(precision=18, scale=3),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "least(pours, volume_ml, revenue, topups, refunds, denials) >= 0",
            name="unassigned_is_not_negative",
        ),
        sa.PrimaryKeyConstraint("location"),
    )
    op.create_table(
        "member",
        sa.Column("shift_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "joined_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["shift_id"], ["shift.id"]),
        sa.PrimaryKeyConstraint("shift_id", "name"),
    )
    op.create_table(
        "shift_figure",
        sa.Column("shift_id", sa.UUID(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("pours", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("revenue", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("topups", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refunds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("denials", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "volume_ml",
            sa.Numeric(precision=18, scale=3),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.CheckConstraint("bucket IN ('own', 'late')", name="bucket_is_known"),
        sa.CheckConstraint(
            "least(pours, volume_ml, revenue, topups, refunds, denials) >= 0",
            name="figures_are_not_negative",
        ),
        sa.ForeignKeyConstraint(["shift_id"], ["shift.id"]),
        sa.PrimaryKeyConstraint("shift_id", "bucket"),
    )
    start_counter()


def downgrade() -> None:
    op.drop_table("shift_figure")
    op.drop_table("member")
    op.drop_table("unassigned_figure")
    op.drop_index(
        "one_open_shift_a_location",
        table_name="shift",
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.drop_table("shift")
    op.drop_table("outbox_counter")
    op.drop_index(
        "outbox_unpublished", table_name="outbox", postgresql_where=sa.text("published_at IS NULL")
    )
    op.drop_index("outbox_unnumbered", table_name="outbox", postgresql_where=sa.text("seq IS NULL"))
    op.drop_table("outbox")
    op.drop_table("inbox")
    op.drop_table("idempotency")
    op.drop_table("dead_letter")
