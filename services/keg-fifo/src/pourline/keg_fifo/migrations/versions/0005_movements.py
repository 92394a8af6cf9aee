"""Every movement of stock with its source, running stock an item, and the tracking switch.

What is in stock already becomes each item's first movement, told to the ledger.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from pourline.upkeep.migrations import append_only

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)
QUANTITY = sa.Numeric(21, 6)

TELL = """
    INSERT INTO outbox (msg_id, subject, aggregate, version, payload)
    SELECT id, 'evt.' || kind, about, version, json_build_object(
        'specversion', '1.0', 'id', id, 'type', kind || '.v1', 'source', 'keg-fifo',
        'subject', about, 'time', at, 'aggregate', about, 'version', version, 'data', data)::text
    FROM ({told}) AS told
"""
ITEMS = """
    SELECT gen_random_uuid() AS id, 'item.changed' AS kind, 'item:' || id AS about, version,
           clock_timestamp() AS at, json_strip_nulls(json_build_object(
               'item_id', id, 'name', name, 'unit', unit,
               'low_stock_threshold', low_stock_threshold, 'tracking_enabled', tracking_enabled,
               'consumed_by', consumed_by, 'actor', 'system', 'at', clock_timestamp())) AS data
    FROM item
"""
OPENING = """
    SELECT gen_random_uuid() AS id, 'stock.moved' AS kind, 'stock:' || item_id AS about,
           number AS version, at, json_build_object(
               'entry_id', id, 'item_id', item_id, 'delta', delta::text,
               'stock_after', stock_after::text, 'source', source, 'reason', reason,
               'actor', actor, 'transaction_id', transaction_id, 'at', at,
               'occurred_at', occurred_at) AS data
    FROM movement
"""


def upgrade() -> None:
    op.add_column("item", sa.Column("stock", QUANTITY, server_default="0", nullable=False))
    op.add_column("item", sa.Column("moved", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("item", sa.Column("version", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column("item", sa.Column("counted_at", INSTANT, nullable=True))
    op.create_table(
        "movement",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("item_id", sa.UUID(), sa.ForeignKey("item.id"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("delta", QUANTITY, nullable=False),
        sa.Column("stock_after", QUANTITY, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.UniqueConstraint("item_id", "number", name="movements_are_numbered"),
        sa.UniqueConstraint("item_id", "transaction_id", name="one_movement_a_transaction"),
        sa.CheckConstraint("delta <> 0", name="movement_moves_something"),
        sa.CheckConstraint(
            "source IN ('purchase', 'manual_adjustment', 'reconciliation', 'system', 'pour', "
            "'receipt')",
            name="source_is_known",
        ),
    )
    append_only("movement")
    op.create_table(
        "moved_since_count",
        sa.Column("item_id", sa.UUID(), sa.ForeignKey("item.id"), primary_key=True),
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("delta", QUANTITY, nullable=False),
    )
    op.create_table(
        "config",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("value", pg.JSONB(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    _open_the_books()


def _open_the_books() -> None:
    op.execute("""
        UPDATE item SET stock =
            (SELECT coalesce(sum(remaining), 0) FROM batch WHERE item_id = item.id)
            - (SELECT coalesce(sum(open_quantity), 0) FROM shortfall WHERE item_id = item.id)
    """)
    op.execute("""
        INSERT INTO movement (id, item_id, number, delta, stock_after, source, reason, actor,
                              transaction_id, at, occurred_at)
        SELECT gen_random_uuid(), id, 1, stock, stock, 'system', 'opening stock', 'system',
               'opening:' || id, now(), now()
        FROM item WHERE stock <> 0
    """)
    op.execute("UPDATE item SET moved = 1 WHERE stock <> 0")
    op.execute(TELL.format(told=ITEMS))
    op.execute(TELL.format(told=OPENING))


def downgrade() -> None:
    op.drop_table("config")
    op.drop_table("moved_since_count")
    op.drop_table("movement")
    for name in ("counted_at", "version", "moved", "stock"):
        op.drop_column("item", name)
