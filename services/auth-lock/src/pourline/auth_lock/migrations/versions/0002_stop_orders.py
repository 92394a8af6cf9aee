"""When staff ordered a tap, under which command, and whether a stop was not confirmed in time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tap", sa.Column("ordered_at", postgresql.TIMESTAMP(timezone=True)))
    op.add_column("tap", sa.Column("order_id", sa.UUID()))
    op.add_column(
        "tap",
        sa.Column("stop_overdue", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("tap", "stop_overdue")
    op.drop_column("tap", "order_id")
    op.drop_column("tap", "ordered_at")
