"""Calibrations with their source, how spouts are, what pours were, and what is not as usual."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = pg.TIMESTAMP(timezone=True)
QUANTITY = sa.Numeric(21, 6)
LATER = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.add_column(
        "calibration", sa.Column("source", sa.Text(), server_default="given", nullable=False)
    )
    op.add_column("calibration", sa.Column("samples", sa.Integer(), nullable=True))
    op.add_column("calibration", sa.Column("spread", QUANTITY, nullable=True))
    op.add_column("spout", sa.Column("rssi_dbm", sa.Integer(), nullable=True))
    op.add_column("spout", sa.Column("firmware", sa.Text(), nullable=True))
    for name in ("silent", "battery_low"):
        op.add_column(
            "spout", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    op.add_column(
        "spout", sa.Column("health_version", sa.BigInteger(), server_default="0", nullable=False)
    )
    _mark_events()
    _classes()
    _sold()
    op.create_table(
        "anomaly",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("figures", pg.JSONB(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("at", INSTANT, server_default=LATER, nullable=False),
        sa.UniqueConstraint("kind", "subject", "business_day", name="one_anomaly_a_day"),
    )


def _mark_events() -> None:
    """Add the mark of what was looked at; what is there already is not looked at again."""
    op.add_column(
        "spout_event", sa.Column("looked", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.alter_column("spout_event", "looked", server_default=sa.false())
    op.create_index(
        "spout_event_to_look_at",
        "spout_event",
        ["number"],
        postgresql_where=sa.text("status = 'accepted' AND NOT looked"),
    )


def _classes() -> None:
    op.create_table(
        "pour_class",
        sa.Column("client_tx_id", sa.Text(), primary_key=True),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("is_decided", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, server_default=LATER, nullable=False),
        sa.CheckConstraint(
            "class IN ('poured', 'free', 'ghost', 'waste', 'held')", name="pour_class_is_known"
        ),
    )
    op.create_table(
        "cleaning",
        sa.Column("tap_id", sa.Text(), primary_key=True),
        sa.Column("began_at", INSTANT, primary_key=True),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("ended_at >= began_at", name="cleaning_ends_after_it_begins"),
    )
    op.create_index("taking_of_tap", "keg_taking", ["tap_id", "started_at"])


def _sold() -> None:
    op.create_table(
        "package_part",
        sa.Column("package_id", sa.Text(), primary_key=True),
        sa.Column("item_id", sa.UUID(), primary_key=True),
        sa.Column("quantity", QUANTITY, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sold",
        sa.Column("sale_id", sa.Text(), primary_key=True),
        sa.Column("item_id", sa.UUID(), primary_key=True),
        sa.Column("quantity", QUANTITY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )
    op.create_index("sold_by_time", "sold", ["at"])
    op.create_table(
        "day_looked_at",
        sa.Column("business_day", sa.Date(), primary_key=True),
        sa.Column("at", INSTANT, server_default=LATER, nullable=False),
    )


def downgrade() -> None:
    op.drop_index("taking_of_tap", table_name="keg_taking")
    for table in ("anomaly", "day_looked_at", "sold", "package_part", "cleaning", "pour_class"):
        op.drop_table(table)
    op.drop_index("spout_event_to_look_at", table_name="spout_event")
    op.drop_column("spout_event", "looked")
    for name in ("health_version", "battery_low", "silent", "firmware", "rssi_dbm"):
        op.drop_column("spout", name)
    for name in ("spread", "samples", "source"):
        op.drop_column("calibration", name)
