"""auth-lock's tables. What must never be two is a unique index; the audit is append-only."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from pourline.kit.tables import add_kit_tables, now

metadata = sa.MetaData()
add_kit_tables(metadata)

INSTANT = pg.TIMESTAMP(timezone=True)
VOLUME = sa.Numeric(18, 3)

guest = sa.Table(
    "guest",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("phone", sa.Text),
    sa.Column("phone_digits", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("notes", sa.Text),
    sa.Column("age_verified_at", INSTANT),
    sa.Column("age_verified_by", sa.Text),
    sa.Column("cut_off_at", INSTANT),
    sa.Column("cut_off_by", sa.Text),
    sa.Column("cut_off_reason", sa.Text),
    sa.Column("cut_off_visit_id", pg.UUID),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("search_name", sa.Text),
    sa.Column("search_phone", sa.Text),
    sa.Column("search_grams", pg.ARRAY(sa.Text)),
    sa.Index("guest_by_phone", "phone_digits"),
    sa.Index("guest_by_search_phone", "search_phone"),
    sa.Index("guest_by_grams", "search_grams", postgresql_using="gin"),
    sa.Index("guest_unsearchable", "id", postgresql_where=sa.text("search_name IS NULL")),
)

visit = sa.Table(
    "visit",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("guest_id", pg.UUID, sa.ForeignKey("guest.id"), nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default=sa.text("'active'")),
    sa.Column("card_uid", sa.Text),
    sa.Column("limit_profile", sa.Text),
    sa.Column("companions", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("reactivations", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("reactivated_at", INSTANT),
    sa.Column("reactivated_by", sa.Text),
    sa.Column("opened_at", INSTANT, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
    sa.Column("closed_at", INSTANT),
    sa.Column("closed_by", sa.Text),
    sa.Column("close_reason", sa.Text),
    sa.CheckConstraint("status IN ('active', 'closed')", name="visit_status_is_known"),
    sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed_has_time"),
    sa.Index(
        "one_active_visit_a_guest",
        "guest_id",
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    ),
    sa.Index(
        "one_active_visit_a_card",
        "card_uid",
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    ),
    sa.Index("visit_by_card", "card_uid", "number"),
    sa.Index("visit_by_guest", "guest_id", "number"),
)

tap_lock = sa.Table(
    "tap_lock",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("visit_id", pg.UUID, sa.ForeignKey("visit.id"), nullable=False),
    sa.Column("tap_id", sa.Text, sa.ForeignKey("tap.id"), nullable=False),
    sa.Column("grant_id", pg.UUID, nullable=False),
    sa.Column("lock_set_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("released_at", INSTANT),
    sa.Column("why", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("is_beside", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("visit_was_closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("stale_at", INSTANT),
    sa.Index(
        "one_enforced_lock_a_visit",
        "visit_id",
        unique=True,
        postgresql_where=sa.text("released_at IS NULL AND NOT is_beside"),
    ),
    sa.Index("lock_of_visit", "visit_id", postgresql_where=sa.text("released_at IS NULL")),
    sa.Index(
        "one_lock_a_tap", "tap_id", unique=True, postgresql_where=sa.text("released_at IS NULL")
    ),
    sa.Index("lock_of_grant", "grant_id"),
)

grant_answer = sa.Table(
    "grant_answer",
    metadata,
    sa.Column("tap_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("grant_id", pg.UUID, unique=True),
    sa.Column("visit_id", pg.UUID),
    sa.Column("renews", pg.UUID),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("answer", pg.JSONB),
    sa.Column("asked_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("expires_at", INSTANT),
    sa.Column("may_pour_ml", VOLUME),
    sa.Column("price_per_litre", sa.BigInteger),
    sa.Column("beverage_id", pg.UUID),
    sa.CheckConstraint("state IN ('pending', 'allowed', 'denied')", name="state_is_known"),
    sa.Index("grant_unanswered", "asked_at", postgresql_where=sa.text("state = 'pending'")),
)

tap = sa.Table(
    "tap",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.LargeBinary, nullable=False),
    sa.Column("beverage_id", pg.UUID),
    sa.Column("staff_order", sa.Text),
    sa.Column("order_reason", sa.Text),
    sa.Column("keg_id", pg.UUID),
    sa.Column("keg_connected_at", INSTANT),
    sa.Column("keg_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("remaining_ml", VOLUME),
    sa.Column("volume_ml", VOLUME),
    sa.Column("online", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("pending_sync", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("sync_was_reset", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("valve", sa.Text),
    sa.Column("lifetime_pulses", sa.BigInteger),
    sa.Column("status_seq", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("status_at", INSTANT),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("told_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("ordered_at", INSTANT),
    sa.Column("order_id", pg.UUID),
    sa.Column("stop_overdue", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("wall_stopped", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("order_under", sa.Text),
    sa.Column("reason_under", sa.Text),
    sa.Column("reader_profile", sa.Text, nullable=False, server_default=sa.text("'hex'")),
    sa.Column("gas", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("gas_told", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("cleaned_at", INSTANT),
    sa.Column("cleaning_since", INSTANT),
    sa.Column("pulses_at", INSTANT),
    sa.Index("tap_untold", "id", postgresql_where=sa.text("told_version < state_version")),
)

fence = sa.Table(
    "fence",
    metadata,
    sa.Column("attempt_id", pg.UUID, primary_key=True),
    sa.Column("until", INSTANT, nullable=False),
)

meter = sa.Table(
    "meter",
    metadata,
    sa.Column("tap_id", sa.Text, primary_key=True),
    sa.Column("base_pulses", sa.BigInteger),
    sa.Column("told_pulses", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("told_ml", VOLUME, nullable=False, server_default=sa.text("0")),
    sa.Column("heard_at", INSTANT),
)

beverage = sa.Table(
    "beverage",
    metadata,
    sa.Column("beverage_id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text),
    sa.Column("abv", sa.Numeric(9, 6)),
)

poured = sa.Table(
    "poured",
    metadata,
    sa.Column("client_tx_id", sa.Text, primary_key=True),
    sa.Column("visit_id", pg.UUID, nullable=False),
    sa.Column("guest_id", pg.UUID, nullable=False),
    sa.Column("beverage_id", pg.UUID),
    sa.Column("volume_ml", VOLUME, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Index("poured_by_visit", "visit_id"),
    sa.Index("poured_by_guest", "guest_id", "started_at"),
)

lost_card = sa.Table(
    "lost_card",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("card_uid", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("visit_id", pg.UUID),
    sa.Column("reported_at", INSTANT, nullable=False),
    sa.Column("reported_by", sa.Text, nullable=False),
    sa.Column("override_until", INSTANT),
    sa.Column("override_reason", sa.Text),
    sa.Column("override_by", sa.Text),
    sa.Column("restored_at", INSTANT),
    sa.Column("restored_by", sa.Text),
    sa.Index(
        "one_loss_a_card",
        "card_uid",
        unique=True,
        postgresql_where=sa.text("restored_at IS NULL"),
    ),
    sa.Index("loss_by_card", "card_uid"),
)

price = sa.Table(
    "price",
    metadata,
    sa.Column("beverage_id", pg.UUID, primary_key=True),
    sa.Column("from_at", INSTANT, primary_key=True),
    sa.Column("price_per_litre", sa.BigInteger, nullable=False),
)

spout = sa.Table(
    "spout",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("vendor", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("previous_secret", sa.Text),
    sa.Column("rotated_at", INSTANT),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
)

staff = sa.Table(
    "staff",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("username", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_at", INSTANT, nullable=False, server_default=now()),
    sa.Column("token_version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("pin_hash", sa.Text),
    sa.Column("pin_failures", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("pin_failed_at", INSTANT),
    sa.CheckConstraint("level BETWEEN 1 AND 5", name="staff_level_is_known"),
)

revocation = sa.Table(
    "revocation",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("expires_at", INSTANT, nullable=False),
    sa.Index("revocation_by_end", "expires_at"),
)

config = sa.Table(
    "config",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", pg.JSONB, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", INSTANT, nullable=False, server_default=now()),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", INSTANT, nullable=False, server_default=now()),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("before", pg.JSONB),
    sa.Column("after", pg.JSONB),
    sa.Index("audit_by_subject", "subject", "id"),
    sa.Index("audit_by_actor", "actor", "id"),
    sa.Index("audit_by_action", "action", "id"),
    sa.Index("audit_by_time", "at"),
)

AUDIT_CONTENT = """
    sha256(convert_to(jsonb_build_array(
        audit.id, to_char(audit.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        audit.actor, audit.action, audit.subject, audit.reason, audit.before, audit.after
    )::text, 'UTF8'))
"""
"""SQL for the SHA-256 of an audit row: every column, in the one form that JSONB prints."""

audit_link = sa.Table(
    "audit_link",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("audit_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("linked_at", INSTANT, nullable=False, server_default=now()),
)

audit_unlinked = sa.Table(
    "audit_unlinked",
    metadata,
    sa.Column("audit_id", sa.BigInteger, primary_key=True, autoincrement=False),
)
