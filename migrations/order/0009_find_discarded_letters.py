"""Letters that were given up are found by their key."""

from migrations.letters import find_discarded, lose_discarded

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    find_discarded()


def downgrade() -> None:
    lose_discarded()
