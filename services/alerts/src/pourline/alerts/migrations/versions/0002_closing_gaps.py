"""What closing gaps and letting go of old records need."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox_confirmed",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "producer"),
    )
    op.create_table(
        "newest",
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("about"),
    )
    op.create_index("inbox_at", "inbox", ["at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_table("newest")
    op.drop_index("inbox_at", table_name="inbox")
    op.drop_table("inbox_confirmed")
