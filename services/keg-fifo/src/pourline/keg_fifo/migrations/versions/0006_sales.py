"""Sales that took stock, each once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sale_taking",
        sa.Column("transaction_id", sa.Text(), primary_key=True),
        sa.Column("answer", pg.JSONB(), nullable=True),
        sa.Column(
            "at",
            pg.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_table("sale_taking")
