"""An intent remembers the trace of its command. Those that are open have none, and are called as before."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE payment_intents ADD COLUMN traceparent text")


def downgrade() -> None:
    op.execute("ALTER TABLE payment_intents DROP COLUMN traceparent")
