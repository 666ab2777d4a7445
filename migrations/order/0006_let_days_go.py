"""Days of outbox and inbox that are past and accounted for may be dropped."""

from contracts.services import ORDER
from migrations.retention import keep_days, let_days_go

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    let_days_go(ORDER)


def downgrade() -> None:
    keep_days()
