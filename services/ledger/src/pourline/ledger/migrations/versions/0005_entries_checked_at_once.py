"""Entries are checked against bookings and accounts once a statement, not once a row."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A foreign key asks for each row, through a statement and a row lock of its own: a third of what
# the database spent on a batch. Bookings are append-only and accounts are never deleted, so
# looking once a statement finds the same. Joins by index only: a plan made while the tables were
# small would otherwise read all of them later.
FUNCTION = """
    CREATE FUNCTION refuse_stray_entries() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off AS $$
    BEGIN
        IF EXISTS (SELECT FROM fresh LEFT JOIN booking ON booking.id = fresh.booking_id
                   WHERE booking.id IS NULL)
           OR EXISTS (SELECT FROM fresh LEFT JOIN account ON account.id = fresh.account_id
                      WHERE account.id IS NULL) THEN
            RAISE EXCEPTION 'an entry has no booking or no account'
                USING ERRCODE = 'foreign_key_violation';
        END IF;
        RETURN NULL;
    END $$
"""
TRIGGER = """
    CREATE TRIGGER entry_is_no_stray AFTER INSERT ON entry REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stray_entries()
"""


def upgrade() -> None:
    op.execute(FUNCTION)
    op.execute(TRIGGER)
    op.drop_constraint("entry_booking_id_fkey", "entry", type_="foreignkey")
    op.drop_constraint("entry_account_id_fkey", "entry", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key("entry_account_id_fkey", "entry", "account", ["account_id"], ["id"])
    op.create_foreign_key("entry_booking_id_fkey", "entry", "booking", ["booking_id"], ["id"])
    op.execute("DROP TRIGGER entry_is_no_stray ON entry")
    op.execute("DROP FUNCTION refuse_stray_entries")
