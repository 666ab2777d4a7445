"""Rows of the outbox and of the ledger tell which transaction wrote them."""

from contracts.services import PAYMENT
from migrations.auditing import make_auditable, undo

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("outbox", "payment_ledger")


def upgrade() -> None:
    make_auditable(PAYMENT, TABLES)


def downgrade() -> None:
    undo(PAYMENT, TABLES)
