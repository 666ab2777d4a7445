"""Retention sees of which days dead letters wait, so that no day goes that one of them is of."""

from contracts.services import INVENTORY
from migrations.retention import hide_letters, show_letters

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    show_letters(INVENTORY)


def downgrade() -> None:
    hide_letters(INVENTORY)
