"""The tables that the kit keeps in every service's database."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


def now() -> sa.sql.elements.TextClause:
    """Return the server default of a row's own instant."""
    return sa.text("clock_timestamp()")


def add_kit_tables(metadata: sa.MetaData) -> None:
    """Define outbox, inbox, dead letters and idempotency records in `metadata`."""
    _add_outbox(metadata)
    _add_inbox(metadata)
    _add_records(metadata)


def _add_outbox(metadata: sa.MetaData) -> None:
    sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("seq", sa.BigInteger, unique=True),
        sa.Column("msg_id", pg.UUID, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("aggregate", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text),
        sa.Column("created_at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=now()),
        sa.Column("published_at", pg.TIMESTAMP(timezone=True)),
        sa.Index("outbox_unnumbered", "id", postgresql_where=sa.text("seq IS NULL")),
        sa.Index("outbox_unpublished", "seq", postgresql_where=sa.text("published_at IS NULL")),
    )
    sa.Table(
        "outbox_counter",
        metadata,
        sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.CheckConstraint("one", name="outbox_counter_is_one_row"),
    )


def _add_inbox(metadata: sa.MetaData) -> None:
    sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("msg_id", pg.UUID, primary_key=True),
        sa.Column("producer", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=now()),
        sa.Index("inbox_at", "at", postgresql_using="brin"),
    )
    sa.Table(
        "inbox_confirmed",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("producer", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )


def _add_records(metadata: sa.MetaData) -> None:
    sa.Table(
        "dead_letter",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("consumer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("headers", pg.JSONB, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("received_at", pg.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=now()),
        sa.Column("replayed_at", pg.TIMESTAMP(timezone=True)),
        sa.Column("closed_at", pg.TIMESTAMP(timezone=True)),
        sa.Column("closed_by", sa.Text),
        sa.Column("closed_because", sa.Text),
        sa.CheckConstraint(
            "num_nonnulls(closed_at, closed_by, closed_because) IN (0, 3)",
            name="dead_letter_is_closed_whole",
        ),
    )
    sa.Table(
        "idempotency",
        metadata,
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=now()),
    )
