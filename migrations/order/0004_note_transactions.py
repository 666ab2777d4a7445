"""Outbox rows tell which transaction wrote them."""

from migrations.transactions import forget_transactions, note_transactions

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("outbox",)


def upgrade() -> None:
    note_transactions(TABLES)


def downgrade() -> None:
    forget_transactions(TABLES)
