"""The ledger's tables; entries are append-only."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from pourline.kit.tables import add_kit_tables, now

metadata = sa.MetaData()
add_kit_tables(metadata)

INSTANT = pg.TIMESTAMP(timezone=True)
VOLUME = sa.Numeric(18, 3)

account = sa.Table(
    "account",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("guest_id", pg.UUID, unique=True),
    sa.Column("balance", sa.BigInteger, nullable=False, server_default=sa.text("0")),
)

booking = sa.Table(
    "booking",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.Index("correction_of_pour", "reference", postgresql_where=sa.text("kind = 'correction'")),
)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    # Both are checked by a trigger once a statement (migration 0004), which costs far less.
    sa.Column("booking_id", pg.UUID, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("balance_after", sa.BigInteger, nullable=False),
    sa.CheckConstraint("amount <> 0", name="entry_moves_something"),
    sa.Index("entry_of_account", "account_id", "id"),
    sa.Index("entry_of_booking", "booking_id"),
)

price = sa.Table(
    "price",
    metadata,
    sa.Column("beverage_id", pg.UUID, primary_key=True),
    sa.Column("from_at", INSTANT, primary_key=True),
    sa.Column("price_per_litre", sa.BigInteger, nullable=False),
    sa.CheckConstraint("price_per_litre >= 0", name="price_is_not_negative"),
)

visit = sa.Table(
    "visit",
    metadata,
    sa.Column("visit_id", pg.UUID, primary_key=True),
    sa.Column("guest_id", pg.UUID, nullable=False),
    sa.Column("opened_at", INSTANT, nullable=False),
    sa.Column("closed_at", INSTANT),
)

card = sa.Table(
    "card",
    metadata,
    sa.Column("card_uid", sa.Text, primary_key=True),
    sa.Column("visit_id", pg.UUID, nullable=False),
    sa.Column("bound_at", INSTANT, nullable=False),
)

tap_keg = sa.Table(
    "tap_keg",
    metadata,
    sa.Column("tap_id", sa.Text, primary_key=True),
    sa.Column("connected_at", INSTANT, primary_key=True),
    sa.Column("keg_id", pg.UUID, nullable=False),
    sa.Column("beverage_id", pg.UUID, nullable=False),
    sa.Column("disconnected_at", INSTANT),
)

grant_hold = sa.Table(
    "grant_hold",
    metadata,
    sa.Column("grant_id", pg.UUID, primary_key=True),
    sa.Column("visit_id", pg.UUID, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("guest_id", pg.UUID),
    sa.Column("tap_id", sa.Text),
    sa.Column("card_uid", sa.Text),
    sa.Column("beverage_id", pg.UUID),
    sa.Column("price_per_litre", sa.BigInteger),
    sa.Column("amount", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("max_volume_ml", VOLUME),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("placed_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("settled_at", INSTANT),
    sa.Column("is_shared", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("visit_was_closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(
        "one_own_hold_a_visit",
        "visit_id",
        unique=True,
        postgresql_where=sa.text("state = 'pending' AND NOT is_shared"),
    ),
    sa.Index("pending_hold_of_visit", "visit_id", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("pending_hold_of_tap", "tap_id", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("hold_of_request", "request_id"),
    sa.Index("hold_of_guest", "guest_id", postgresql_where=sa.text("state IN ('pending', 'held')")),
    sa.CheckConstraint(
        "state IN ('pending', 'superseded', 'captured', 'held', 'voided')",
        name="grant_hold_state_is_known",
    ),
)

pour = sa.Table(
    "pour",
    metadata,
    sa.Column("client_tx_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("short_id", sa.Text, nullable=False),
    sa.Column("tap_id", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("visit_id", pg.UUID),
    sa.Column("guest_id", pg.UUID),
    sa.Column("grant_id", pg.UUID),
    sa.Column("card_uid", sa.Text),
    sa.Column("keg_id", pg.UUID),
    sa.Column("beverage_id", pg.UUID),
    sa.Column("volume_ml", VOLUME, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("balance_after", sa.BigInteger),
    sa.Column("price_per_litre", sa.BigInteger),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("sync_status", sa.Text, nullable=False),
    sa.Column("offline", sa.Boolean, nullable=False),
    sa.Column("ghost", sa.Boolean, nullable=False),
    sa.Column("takes_keg", sa.Boolean, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("accepted_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("entered_by", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("stated_amount", sa.BigInteger),
    sa.Column("matched_by", sa.Text),
    sa.Column("entry_id", sa.Text),
    sa.Column("first_status", sa.Text),
    sa.Column("decision", sa.Text),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", INSTANT),
    sa.Column("decision_reason", sa.Text),
    sa.Index(
        "one_entry_a_short_id",
        "visit_id",
        "tap_id",
        "short_id",
        unique=True,
        postgresql_where=sa.text("entered_by IS NOT NULL"),
    ),
    sa.Index(
        "entry_unmatched",
        "visit_id",
        postgresql_where=sa.text("entered_by IS NOT NULL AND matched_by IS NULL"),
    ),
    sa.Index("pour_of_visit", "visit_id", "number"),
    sa.Index("pour_of_tap", "tap_id", "number"),
    sa.Index("pour_of_time", "started_at"),
    sa.Index("pour_undecided", "number", postgresql_where=sa.text("status <> 'accepted'")),
)

mismatch = sa.Table(
    "mismatch",
    metadata,
    sa.Column("client_tx_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("tap_id", sa.Text, nullable=False),
    sa.Column("volume_ml", VOLUME, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
)

tap = sa.Table(
    "tap",
    metadata,
    sa.Column("tap_id", sa.Text, primary_key=True),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("reader_profile", sa.Text, nullable=False),
    sa.Column("beverage_id", pg.UUID),
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", pg.JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

QUANTITY = sa.Numeric(21, 6)

inventory_item = sa.Table(
    "inventory_item",
    metadata,
    sa.Column("item_id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("unit", sa.Text, nullable=False, server_default=sa.text("'each'")),
    sa.Column("low_stock_threshold", QUANTITY),
    sa.Column("tracking_enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("facts_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("current_stock", QUANTITY, nullable=False, server_default=sa.text("0")),
    sa.Column("last_activity_at", INSTANT),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
)

inventory_entry = sa.Table(
    "inventory_entry",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("item_id", pg.UUID, nullable=False),
    sa.Column("delta", QUANTITY, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("transaction_id", sa.Text, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("occurred_at", INSTANT, nullable=False),
    sa.UniqueConstraint("item_id", "transaction_id", name="one_entry_a_transaction"),
    sa.CheckConstraint("delta <> 0", name="inventory_entry_moves_something"),
    sa.CheckConstraint(
        "source IN ('purchase', 'manual_adjustment', 'reconciliation', 'system', 'pour', "
        "'receipt')",
        name="inventory_source_is_known",
    ),
    sa.Index("inventory_entry_of_item", "item_id", "number"),
)
