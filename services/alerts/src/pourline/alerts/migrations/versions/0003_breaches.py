"""Breaches that were told of and are not over: an alert that staff resolved stays resolved."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "standing_breach",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("subject_type", sa.Text(), primary_key=True),
        sa.Column("subject_id", sa.Text(), primary_key=True),
    )
    op.execute("""
        INSERT INTO standing_breach (kind, subject_type, subject_id)
        SELECT kind, subject_type, subject_id FROM alert
        WHERE kind = 'negative_stock' AND state <> 'resolved'
    """)


def downgrade() -> None:
    op.drop_table("standing_breach")
