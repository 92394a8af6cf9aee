"""Dead letters that somebody closed."""

from pourline.upkeep.migrations import add_closing_of_letters, drop_closing_of_letters

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_closing_of_letters()


def downgrade() -> None:
    drop_closing_of_letters()
