"""What kegs have again: of pours that another one replaced, or that never ran."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from pourline.upkeep.migrations import append_only

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keg_return",
        sa.Column("client_tx_id", sa.Text(), primary_key=True),
        sa.Column("keg_id", sa.UUID(), nullable=True),
        sa.Column("returned_ml", sa.Numeric(18, 3), nullable=False),
        sa.Column("shortfall_ml", sa.Numeric(18, 3), nullable=False),
        sa.Column(
            "at",
            pg.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "returned_ml >= 0 AND shortfall_ml >= 0", name="returns_are_not_negative"
        ),
    )
    op.create_index("return_to_keg", "keg_return", ["keg_id"])
    append_only("keg_return")


def downgrade() -> None:
    op.drop_index("return_to_keg", table_name="keg_return")
    op.drop_table("keg_return")
