"""Rows of the outbox and of the ledger tell which transaction wrote them."""

from contracts.services import INVENTORY
from migrations.auditing import make_auditable, undo

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("outbox", "stock_ledger")


def upgrade() -> None:
    make_auditable(INVENTORY, TABLES)


def downgrade() -> None:
    undo(INVENTORY, TABLES)
