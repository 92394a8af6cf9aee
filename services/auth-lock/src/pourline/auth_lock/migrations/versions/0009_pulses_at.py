"""Since when a tap's meter counts no further."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tap", sa.Column("pulses_at", pg.TIMESTAMP(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("tap", "pulses_at")
