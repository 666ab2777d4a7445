"""Rows of the outbox and of the ledger tell which transaction wrote them."""

from migrations.transactions import forget_transactions, note_transactions

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("outbox", "payment_ledger")


def upgrade() -> None:
    note_transactions(TABLES)


def downgrade() -> None:
    forget_transactions(TABLES)
