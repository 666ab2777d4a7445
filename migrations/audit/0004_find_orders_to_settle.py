"""Orders that nobody has looked at come first, by their index and not by sorting all that wait."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEX = """
DROP INDEX ix_unsettled_looked_at;
CREATE INDEX ix_unsettled_looked_at ON unsettled (looked_at{order}) WHERE final;
"""


def upgrade() -> None:
    op.execute(_INDEX.format(order=" NULLS FIRST"))


def downgrade() -> None:
    op.execute(_INDEX.format(order=""))
