"""Packages, what can be sold of them, sales; notifications in order for each guest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)
QUANTITY = sa.Numeric(21, 6)


def upgrade() -> None:
    _queue()
    op.create_table(
        "item",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tracking_enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("stock", QUANTITY, server_default="0", nullable=False),
        sa.Column("moved", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("is_changed", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
    op.create_index("item_changed", "item", ["id"], postgresql_where=sa.text("is_changed"))
    _packages()
    op.create_table(
        "sale",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("transaction_id", sa.Text(), nullable=False, unique=True),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("lines", pg.JSONB(), nullable=False),
        sa.Column("takings", pg.JSONB(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("sold_by", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=True),
    )
    op.create_index("sale_pending", "sale", ["at"], postgresql_where=sa.text("recorded_at IS NULL"))


def _queue() -> None:
    op.add_column("pos_event", sa.Column("guest", sa.Text(), nullable=True))
    op.create_index(
        "pos_event_waiting",
        "pos_event",
        ["next_attempt_at"],
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_table(
        "pos_trouble",
        sa.Column("one", sa.Boolean(), server_default=sa.true(), primary_key=True),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.CheckConstraint("one", name="pos_trouble_is_one_row"),
    )


def _packages() -> None:
    op.create_table(
        "package",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("told_sellable", sa.Numeric(30, 0), nullable=True),
        sa.Column("told_bottleneck_id", sa.UUID(), sa.ForeignKey("item.id"), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("told_sellable >= 0", name="less_than_nothing_is_never_sold"),
        sa.CheckConstraint(
            "(told_sellable IS NULL) = (told_bottleneck_id IS NULL)", name="what_limits_has_a_name"
        ),
    )
    op.create_table(
        "package_part",
        sa.Column("package_id", sa.UUID(), sa.ForeignKey("package.id"), primary_key=True),
        sa.Column("item_id", sa.UUID(), sa.ForeignKey("item.id"), primary_key=True),
        sa.Column("quantity", QUANTITY, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name="a_part_is_something"),
    )
    op.create_index("part_of_item", "package_part", ["item_id"])


def downgrade() -> None:
    for table in ("sale", "package_part", "package", "item", "pos_trouble"):
        op.drop_table(table)
    op.drop_index("pos_event_waiting", table_name="pos_event")
    op.drop_column("pos_event", "guest")
