"""Lines: when they were cleaned last, and whether a keg blew empty."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("gas", "gas_told"):
        op.add_column(
            "tap", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    for name in ("cleaned_at", "cleaning_since"):
        op.add_column("tap", sa.Column(name, pg.TIMESTAMP(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("cleaning_since", "cleaned_at", "gas_told", "gas"):
        op.drop_column("tap", name)
