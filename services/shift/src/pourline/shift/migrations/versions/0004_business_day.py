"""The day a shift counts for, when members leave, what counts of the stock found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shift", sa.Column("business_day", sa.Date(), nullable=True))
    op.add_column("member", sa.Column("left_at", pg.TIMESTAMP(timezone=True), nullable=True))
    op.add_column(
        "shift_line",
        sa.Column("quantity", sa.Numeric(24, 6), server_default="0", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("shift_line", "quantity")
    op.drop_column("member", "left_at")
    op.drop_column("shift", "business_day")
