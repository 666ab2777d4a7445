"""A saga remembers the trace that it began in. Those that are under way have none, and need none."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE sagas ADD COLUMN traceparent text")


def downgrade() -> None:
    op.execute("ALTER TABLE sagas DROP COLUMN traceparent")
