"""The inventory ledger, append-only, and each item's stock beside it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from pourline.upkeep.migrations import append_only

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)
QUANTITY = sa.Numeric(21, 6)
NOUGHT = sa.text("0")


def upgrade() -> None:
    op.create_table(
        "inventory_item",
        sa.Column("item_id", sa.UUID(), primary_key=True),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("unit", sa.Text(), server_default=sa.text("'each'"), nullable=False),
        sa.Column("low_stock_threshold", QUANTITY, nullable=True),
        sa.Column("tracking_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("facts_version", sa.BigInteger(), server_default=NOUGHT, nullable=False),
        sa.Column("current_stock", QUANTITY, server_default=NOUGHT, nullable=False),
        sa.Column("last_activity_at", INSTANT, nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=NOUGHT, nullable=False),
    )
    op.create_table(
        "inventory_entry",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("delta", QUANTITY, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("item_id", "transaction_id", name="one_entry_a_transaction"),
        sa.CheckConstraint("delta <> 0", name="inventory_entry_moves_something"),
        sa.CheckConstraint(
            "source IN ('purchase', 'manual_adjustment', 'reconciliation', 'system', 'pour', "
            "'receipt')",
            name="inventory_source_is_known",
        ),
    )
    op.create_index("inventory_entry_of_item", "inventory_entry", ["item_id", "number"])
    append_only("inventory_entry")


def downgrade() -> None:
    op.drop_index("inventory_entry_of_item", table_name="inventory_entry")
    op.drop_table("inventory_entry")
    op.drop_table("inventory_item")
