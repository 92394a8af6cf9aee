"""When each tap last spoke, and what its meter counted against what it reported."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tap", sa.Column("status_at", pg.TIMESTAMP(timezone=True), nullable=True))
    op.create_table(
        "meter",
        sa.Column("tap_id", sa.Text(), primary_key=True),
        sa.Column("base_pulses", sa.BigInteger(), nullable=True),
        sa.Column("told_pulses", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told_ml", sa.Numeric(18, 3), server_default=sa.text("0"), nullable=False),
        sa.Column("heard_at", pg.TIMESTAMP(timezone=True), nullable=True),
    )


def downgrade() -> None:
    op.drop_table("meter")
    op.drop_column("tap", "status_at")
