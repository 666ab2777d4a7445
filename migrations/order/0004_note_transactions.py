"""Outbox rows tell which transaction wrote them."""

from contracts.services import ORDER
from migrations.auditing import make_auditable, undo

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("outbox",)


def upgrade() -> None:
    make_auditable(ORDER, TABLES)


def downgrade() -> None:
    undo(ORDER, TABLES)
