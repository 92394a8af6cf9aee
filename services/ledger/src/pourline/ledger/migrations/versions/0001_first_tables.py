"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pourline.upkeep.migrations import append_only, start_counter

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("guest_id", sa.UUID(), nullable=True),
        sa.Column("balance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("guest_id"),
    )
    op.create_table(
        "booking",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "card",
        sa.Column("card_uid", sa.Text(), nullable=False),
        sa.Column("visit_id", sa.UUID(), nullable=False),
        sa.Column("bound_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("card_uid"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("replayed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "grant_hold",
        sa.Column("grant_id", sa.UUID(), nullable=False),
        sa.Column("visit_id", sa.UUID(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("guest_id", sa.UUID(), nullable=True),
        sa.Column("tap_id", sa.Text(), nullable=True),
        sa.Column("card_uid", sa.Text(), nullable=True),
        sa.Column("beverage_id", sa.UUID(), nullable=True),
        sa.Column("price_per_litre", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_volume_ml", sa.Numeric(precision=18, scale=3), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "placed_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("settled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'superseded', 'captured', 'held', 'voided')",
            name="grant_hold_state_is_known",
        ),
        sa.PrimaryKeyConstraint("grant_id"),
    )
    op.create_index(
        "hold_of_guest",
        "grant_hold",
        ["guest_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'held')"),
    )
    op.create_index("hold_of_request", "grant_hold", ["request_id"], unique=False)
    op.create_index(
        "one_pending_hold_a_visit",
        "grant_hold",
        ["visit_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "pending_hold_of_tap",
        "grant_hold",
        ["tap_id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("msg_id", sa.UUID(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("consumer", "msg_id"),
    )
    op.create_table(
        "mismatch",
        sa.Column("client_tx_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("volume_ml", sa.Numeric(precision=18, scale=3), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("client_tx_id", "digest"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("msg_id", sa.UUID(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("aggregate", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("seq"),
    )
    op.create_index(
        "outbox_unnumbered", "outbox", ["id"], unique=False, postgresql_where=sa.text("seq IS NULL")
    )
    op.create_index(
        "outbox_unpublished",
        "outbox",
        ["seq"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_table(
        "outbox_counter",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("one", name="outbox_counter_is_one_row"),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "pour",
        sa.Column("client_tx_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("short_id", sa.Text(), nullable=False),
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("visit_id", sa.UUID(), nullable=True),
        sa.Column("guest_id", sa.UUID(), nullable=True),
        sa.Column("grant_id", sa.UUID(), nullable=True),
        sa.Column("card_uid", sa.Text(), nullable=True),
        sa.Column("keg_id", sa.UUID(), nullable=True),
        sa.Column("beverage_id", sa.UUID(), nullable=True),
        sa.Column("volume_ml", sa.Numeric(precision=18, scale=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=True),
        sa.Column("price_per_litre", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sync_status", sa.Text(), nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("ghost", sa.Boolean(), nullable=False),
        sa.Column("takes_keg", sa.Boolean(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "accepted_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("client_tx_id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("pour_of_tap", "pour", ["tap_id", "number"], unique=False)
    op.create_index("pour_of_visit", "pour", ["visit_id", "number"], unique=False)
    op.create_index(
        "pour_undecided",
        "pour",
        ["number"],
        unique=False,
        postgresql_where=sa.text("status <> 'accepted'"),
    )
    op.create_table(
        "price",
        sa.Column("beverage_id", sa.UUID(), nullable=False),
        sa.Column("from_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("price_per_litre", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("price_per_litre >= 0", name="price_is_not_negative"),
        sa.PrimaryKeyConstraint("beverage_id", "from_at"),
    )
    op.create_table(
        "tap_keg",
        sa.Column("tap_id", sa.Text(), nullable=False),
        sa.Column("connected_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("keg_id", sa.UUID(), nullable=False),
        sa.Column("beverage_id", sa.UUID(), nullable=False),
        sa.Column("disconnected_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tap_id", "connected_at"),
    )
    op.create_table(
        "visit",
        sa.Column("visit_id", sa.UUID(), nullable=False),
        sa.Column("guest_id", sa.UUID(), nullable=False),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("visit_id"),
    )
    op.create_table(
        "entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("booking_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name="entry_moves_something"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("entry_of_account", "entry", ["account_id", "id"], unique=False)
    op.create_index("entry_of_booking", "entry", ["booking_id"], unique=False)
    append_only("booking")
    append_only("entry")
    append_only("mismatch")
    start_counter()


def downgrade() -> None:
    op.drop_index("entry_of_booking", table_name="entry")
    op.drop_index("entry_of_account", table_name="entry")
    op.drop_table("entry")
    op.drop_table("visit")
    op.drop_table("tap_keg")
    op.drop_table("price")
    op.drop_index(
        "pour_undecided", table_name="pour", postgresql_where=sa.text("status <> 'accepted'")
    )
    op.drop_index("pour_of_visit", table_name="pour")
    op.drop_index("pour_of_tap", table_name="pour")
    op.drop_table("pour")
    op.drop_table("outbox_counter")
    op.drop_index(
        "outbox_unpublished", table_name="outbox", postgresql_where=sa.text("published_at IS NULL")
    )
    op.drop_index("outbox_unnumbered", table_name="outbox", postgresql_where=sa.text("seq IS NULL"))
    op.drop_table("outbox")
    op.drop_table("mismatch")
    op.drop_table("inbox")
    op.drop_table("idempotency")
    op.drop_index(
        "pending_hold_of_tap",
        table_name="grant_hold",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index(
        "one_pending_hold_a_visit",
        table_name="grant_hold",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index("hold_of_request", table_name="grant_hold")
    op.drop_index(
        "hold_of_guest",
        table_name="grant_hold",
        postgresql_where=sa.text("state IN ('pending', 'held')"),
    )
    op.drop_table("grant_hold")
    op.drop_table("dead_letter")
    op.drop_table("card")
    op.drop_table("booking")
    op.drop_table("account")
    op.execute("DROP FUNCTION IF EXISTS refuse_change")
