"""Limits and what was poured, lost cards, cut-offs, readers, and locks that flags let stand."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)
VOLUME = sa.Numeric(18, 3)


def _no() -> sa.ColumnElement[bool]:
    return sa.false()


def _columns() -> list[tuple[str, sa.Column[object]]]:
    """Return what the tables of before get, each with a default that the old code can live with."""
    return [
        ("guest", sa.Column("cut_off_at", INSTANT)),
        ("guest", sa.Column("cut_off_by", sa.Text())),
        ("guest", sa.Column("cut_off_reason", sa.Text())),
        ("guest", sa.Column("cut_off_visit_id", sa.UUID())),
        ("visit", sa.Column("companions", sa.Integer(), server_default="0", nullable=False)),
        ("visit", sa.Column("reactivations", sa.Integer(), server_default="0", nullable=False)),
        ("visit", sa.Column("reactivated_at", INSTANT)),
        ("visit", sa.Column("reactivated_by", sa.Text())),
        ("tap_lock", sa.Column("is_beside", sa.Boolean(), server_default=_no(), nullable=False)),
        (
            "tap_lock",
            sa.Column("visit_was_closed", sa.Boolean(), server_default=_no(), nullable=False),
        ),
        ("tap_lock", sa.Column("stale_at", INSTANT)),
        ("grant_answer", sa.Column("may_pour_ml", VOLUME)),
        ("grant_answer", sa.Column("price_per_litre", sa.BigInteger())),
        ("grant_answer", sa.Column("beverage_id", sa.UUID())),
        ("beverage", sa.Column("kind", sa.Text())),
        ("beverage", sa.Column("abv", sa.Numeric(9, 6))),
        ("tap", sa.Column("reader_profile", sa.Text(), server_default="hex", nullable=False)),
    ]


def upgrade() -> None:
    for table, column in _columns():
        op.add_column(table, column)
    op.create_table(
        "poured",
        sa.Column("client_tx_id", sa.Text(), primary_key=True),
        sa.Column("visit_id", sa.UUID(), nullable=False),
        sa.Column("guest_id", sa.UUID(), nullable=False),
        sa.Column("beverage_id", sa.UUID()),
        sa.Column("volume_ml", VOLUME, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
    )
    op.create_index("poured_by_visit", "poured", ["visit_id"])
    op.create_index("poured_by_guest", "poured", ["guest_id", "started_at"])
    _make_lost_card()
    op.create_index(
        "one_enforced_lock_a_visit",
        "tap_lock",
        ["visit_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL AND NOT is_beside"),
    )
    op.create_index(
        "lock_of_visit",
        "tap_lock",
        ["visit_id"],
        postgresql_where=sa.text("released_at IS NULL"),
    )
    # The old code never takes a lock beside another, so it meets the new index as it met this one.
    op.drop_index("one_lock_a_visit", table_name="tap_lock")


def _make_lost_card() -> None:
    op.create_table(
        "lost_card",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("card_uid", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("visit_id", sa.UUID()),
        sa.Column("reported_at", INSTANT, nullable=False),
        sa.Column("reported_by", sa.Text(), nullable=False),
        sa.Column("override_until", INSTANT),
        sa.Column("override_reason", sa.Text()),
        sa.Column("override_by", sa.Text()),
        sa.Column("restored_at", INSTANT),
        sa.Column("restored_by", sa.Text()),
    )
    op.create_index(
        "one_loss_a_card",
        "lost_card",
        ["card_uid"],
        unique=True,
        postgresql_where=sa.text("restored_at IS NULL"),
    )
    op.create_index("loss_by_card", "lost_card", ["card_uid"])


def downgrade() -> None:
    op.create_index(
        "one_lock_a_visit",
        "tap_lock",
        ["visit_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.drop_index("lock_of_visit", table_name="tap_lock")
    op.drop_index("one_enforced_lock_a_visit", table_name="tap_lock")
    op.drop_table("lost_card")
    op.drop_table("poured")
    for table, column in reversed(_columns()):
        op.drop_column(table, column.name)
