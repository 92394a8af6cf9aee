"""Pours entered and decided by people; taps' readers; the settings that the ledger heeds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)
COLUMNS = (
    ("entered_by", sa.Text()),
    ("comment", sa.Text()),
    ("stated_amount", sa.BigInteger()),
    ("matched_by", sa.Text()),
    ("entry_id", sa.Text()),
    ("first_status", sa.Text()),
    ("decision", sa.Text()),
    ("decided_by", sa.Text()),
    ("decided_at", INSTANT),
    ("decision_reason", sa.Text()),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("pour", sa.Column(name, kind, nullable=True))
    op.create_index(
        "one_entry_a_short_id",
        "pour",
        ["visit_id", "tap_id", "short_id"],
        unique=True,
        postgresql_where=sa.text("entered_by IS NOT NULL"),
    )
    op.create_index(
        "entry_unmatched",
        "pour",
        ["visit_id"],
        postgresql_where=sa.text("entered_by IS NOT NULL AND matched_by IS NULL"),
    )
    op.create_index(
        "correction_of_pour",
        "booking",
        ["reference"],
        postgresql_where=sa.text("kind = 'correction'"),
    )
    op.create_table(
        "tap",
        sa.Column("tap_id", sa.Text(), primary_key=True),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("reader_profile", sa.Text(), nullable=False),
    )
    op.create_table(
        "config",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("value", pg.JSONB(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("config")
    op.drop_table("tap")
    op.drop_index("correction_of_pour", table_name="booking")
    op.drop_index("entry_unmatched", table_name="pour")
    op.drop_index("one_entry_a_short_id", table_name="pour")
    for name, _ in reversed(COLUMNS):
        op.drop_column("pour", name)
