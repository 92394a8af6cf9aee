"""Factors as exact as they are given: twelve decimals where there were six."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SIX_DECIMALS = sa.Numeric(21, 6)
TWELVE_DECIMALS = sa.Numeric(27, 12)


def upgrade() -> None:
    op.alter_column(
        "calibration", "ml_per_pulse", type_=TWELVE_DECIMALS, existing_type=SIX_DECIMALS
    )


def downgrade() -> None:
    op.alter_column(
        "calibration", "ml_per_pulse", type_=SIX_DECIMALS, existing_type=TWELVE_DECIMALS
    )
