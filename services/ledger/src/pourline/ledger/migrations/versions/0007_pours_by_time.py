"""Pours are found by when they began: reports read one range."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("pour_of_time", "pour", ["started_at"])


def downgrade() -> None:
    op.drop_index("pour_of_time", table_name="pour")
