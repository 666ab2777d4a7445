"""Webhooks that may be forgotten are found by their time.

The table holds an hour of them, or what was not forgotten in time; webhooks wait meanwhile.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX ix_webhook_deliveries_received_at ON webhook_deliveries (received_at)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_webhook_deliveries_received_at")
