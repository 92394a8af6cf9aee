"""What a tap was made for prices its pours before the first keg is connected."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tap", sa.Column("beverage_id", pg.UUID()))


def downgrade() -> None:
    op.drop_column("tap", "beverage_id")
