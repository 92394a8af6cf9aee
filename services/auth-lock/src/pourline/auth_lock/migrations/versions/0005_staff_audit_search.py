"""Revoked tokens and PINs, the audit's chain, a search that finds in any notation, wall stops.

What is there already is taken into the chain and made searchable by the service's timers, in
batches and without a long lock: see `audit_unlinked` and `guest.search_name`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from pourline.upkeep.migrations import append_only

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    _search()
    _staff()
    _wall()
    _audit()


def _search() -> None:
    op.add_column("guest", sa.Column("search_name", sa.Text()))
    op.add_column("guest", sa.Column("search_phone", sa.Text()))
    op.add_column("guest", sa.Column("search_grams", postgresql.ARRAY(sa.Text())))
    op.create_index("guest_by_search_phone", "guest", ["search_phone"])
    op.create_index("guest_by_grams", "guest", ["search_grams"], postgresql_using="gin")
    op.create_index(
        "guest_unsearchable", "guest", ["id"], postgresql_where=sa.text("search_name IS NULL")
    )


def _staff() -> None:
    op.add_column(
        "staff",
        sa.Column("token_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("staff", sa.Column("pin_hash", sa.Text()))
    op.add_column(
        "staff",
        sa.Column("pin_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("staff", sa.Column("pin_failed_at", INSTANT))
    op.create_table(
        "revocation",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("revocation_by_end", "revocation", ["expires_at"])


def _wall() -> None:
    op.add_column(
        "tap", sa.Column("wall_stopped", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("tap", sa.Column("order_under", sa.Text()))
    op.add_column("tap", sa.Column("reason_under", sa.Text()))


def _audit() -> None:
    op.create_index("audit_by_actor", "audit", ["actor", "id"])
    op.create_index("audit_by_action", "audit", ["action", "id"])
    op.create_index("audit_by_time", "audit", ["at"])
    op.create_table(
        "audit_link",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "linked_at", INSTANT, server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("audit_id"),
    )
    append_only("audit_link")
    op.create_table(
        "audit_unlinked",
        sa.Column("audit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("audit_id"),
    )
    # A trigger, so that a row written by the version before this one is linked too.
    op.execute("""
        CREATE FUNCTION await_link() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO audit_unlinked (audit_id) VALUES (NEW.id);
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER audit_awaits_link AFTER INSERT ON audit
        FOR EACH ROW EXECUTE FUNCTION await_link()
    """)
    op.execute("INSERT INTO audit_unlinked (audit_id) SELECT id FROM audit")


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_awaits_link ON audit")
    op.execute("DROP FUNCTION await_link")
    op.drop_table("audit_unlinked")
    op.drop_table("audit_link")
    for index in ("audit_by_time", "audit_by_action", "audit_by_actor"):
        op.drop_index(index, table_name="audit")
    for column in ("reason_under", "order_under", "wall_stopped"):
        op.drop_column("tap", column)
    op.drop_table("revocation")
    for column in ("pin_failed_at", "pin_failures", "pin_hash", "token_version"):
        op.drop_column("staff", column)
    for index in ("guest_unsearchable", "guest_by_grams", "guest_by_search_phone"):
        op.drop_index(index, table_name="guest")
    for column in ("search_grams", "search_phone", "search_name"):
        op.drop_column("guest", column)
