"""Every price of a beverage, so that one that is still to come is not shown before its time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "beverage_price",
        sa.Column("beverage_id", sa.UUID(), nullable=False),
        sa.Column("from_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("price_per_litre", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("beverage_id", "from_at"),
    )
    op.execute("INSERT INTO beverage_price SELECT id, price_from, price_per_litre FROM beverage")


def downgrade() -> None:
    op.drop_table("beverage_price")
