"""Closing shifts, and the lines of their reports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)
COLUMNS = (
    ("closing_at", INSTANT),
    ("attempt_id", sa.UUID()),
    ("closed_by", sa.Text()),
    ("counted_cash", sa.BigInteger()),
    ("comment", sa.Text()),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("shift", sa.Column(name, kind, nullable=True))
    op.create_table(
        "shift_line",
        sa.Column("shift_id", sa.UUID(), sa.ForeignKey("shift.id"), primary_key=True),
        sa.Column("bucket", sa.Text(), primary_key=True),
        sa.Column("by", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("what", sa.Text(), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("volume_ml", sa.Numeric(18, 3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bucket IN ('own', 'late')", name="line_bucket_is_known"),
    )
    op.create_table(
        "config",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("value", pg.JSONB(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("config")
    op.drop_table("shift_line")
    for name, _ in reversed(COLUMNS):
        op.drop_column("shift", name)
