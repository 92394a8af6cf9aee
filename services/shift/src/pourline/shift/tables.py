"""shift's tables; one open shift a location is a unique index."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from pourline.kit.tables import add_kit_tables, now

metadata = sa.MetaData()
add_kit_tables(metadata)

INSTANT = pg.TIMESTAMP(timezone=True)
VOLUME = sa.Numeric(18, 3)
NOUGHT = sa.text("0")
NOT_NEGATIVE = "least(pours, volume_ml, revenue, topups, refunds, denials) >= 0"


def figures() -> tuple[sa.Column[Any], ...]:
    """Return the columns of running figures."""
    whole = ("pours", "revenue", "topups", "refunds", "denials")
    return (
        *(sa.Column(name, sa.BigInteger, nullable=False, server_default=NOUGHT) for name in whole),
        sa.Column("volume_ml", VOLUME, nullable=False, server_default=NOUGHT),
    )


shift = sa.Table(
    "shift",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default=sa.text("'open'")),
    sa.Column("opened_at", INSTANT, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
    sa.Column("opening_float", sa.BigInteger, nullable=False),
    sa.Column("closed_at", INSTANT),
    sa.Column("closing_at", INSTANT),
    sa.Column("attempt_id", pg.UUID),
    sa.Column("closed_by", sa.Text),
    sa.Column("counted_cash", sa.BigInteger),
    sa.Column("comment", sa.Text),
    sa.Column("business_day", sa.Date),
    sa.CheckConstraint("status IN ('open', 'closing', 'closed')", name="status_is_known"),
    sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_has_an_end"),
    sa.CheckConstraint("opening_float >= 0", name="float_is_not_negative"),
    sa.Index(
        "one_open_shift_a_location",
        "location",
        unique=True,
        postgresql_where=sa.text("status <> 'closed'"),
    ),
)

shift_figure = sa.Table(
    "shift_figure",
    metadata,
    sa.Column("shift_id", pg.UUID, sa.ForeignKey("shift.id"), primary_key=True),
    sa.Column("bucket", sa.Text, primary_key=True),
    *figures(),
    sa.CheckConstraint("bucket IN ('own', 'late')", name="bucket_is_known"),
    sa.CheckConstraint(NOT_NEGATIVE, name="figures_are_not_negative"),
)

unassigned_figure = sa.Table(
    "unassigned_figure",
    metadata,
    sa.Column("location", sa.Text, primary_key=True),
    *figures(),
    sa.CheckConstraint(NOT_NEGATIVE, name="unassigned_is_not_negative"),
)

member = sa.Table(
    "member",
    metadata,
    sa.Column("shift_id", pg.UUID, sa.ForeignKey("shift.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("joined_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("left_at", INSTANT),
)

shift_line = sa.Table(
    "shift_line",
    metadata,
    sa.Column("shift_id", pg.UUID, sa.ForeignKey("shift.id"), primary_key=True),
    sa.Column("bucket", sa.Text, primary_key=True),
    sa.Column("by", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("volume_ml", VOLUME, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.Numeric(24, 6), nullable=False, server_default=NOUGHT),
    sa.CheckConstraint("bucket IN ('own', 'late')", name="line_bucket_is_known"),
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", pg.JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)
