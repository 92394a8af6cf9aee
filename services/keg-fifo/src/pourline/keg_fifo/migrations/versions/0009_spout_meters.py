"""What spouts' meters counted: pours that no spout told of are noticed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "spout_meter",
        sa.Column("device_id", sa.UUID(), primary_key=True),
        sa.Column("base_pulses", sa.BigInteger(), nullable=False),
        sa.Column("lifetime_pulses", sa.BigInteger(), nullable=False),
        sa.Column("told_pulses", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("off_pulses", sa.BigInteger(), nullable=True),
        sa.Column("off_since", INSTANT, nullable=True),
        sa.Column("heard_at", INSTANT, nullable=True),
    )


def downgrade() -> None:
    op.drop_table("spout_meter")
