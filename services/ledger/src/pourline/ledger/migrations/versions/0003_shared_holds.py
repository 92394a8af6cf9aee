"""Holds that grants share, and those of visits that may pour though closed: only by flags."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    for name in ("is_shared", "visit_was_closed"):
        op.add_column(
            "grant_hold", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    op.create_index(
        "one_own_hold_a_visit",
        "grant_hold",
        ["visit_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending' AND NOT is_shared"),
    )
    op.create_index("pending_hold_of_visit", "grant_hold", ["visit_id"], postgresql_where=PENDING)
    # The old code never shares a hold, so it meets the new index as it met this one.
    op.drop_index("one_pending_hold_a_visit", table_name="grant_hold")


def downgrade() -> None:
    op.create_index(
        "one_pending_hold_a_visit",
        "grant_hold",
        ["visit_id"],
        unique=True,
        postgresql_where=PENDING,
    )
    op.drop_index("pending_hold_of_visit", table_name="grant_hold")
    op.drop_index("one_own_hold_a_visit", table_name="grant_hold")
    op.drop_column("grant_hold", "visit_was_closed")
    op.drop_column("grant_hold", "is_shared")
