"""What a recovery explains is counted each second, by an index and not by reading every finding there was."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_findings_explained_by ON findings (explained_by) WHERE explained_by IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_findings_explained_by")
