"""The auditor knows a database again, and tells of one that was set back; kinds that no finding had go."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KINDS = """
ALTER TABLE findings DROP CONSTRAINT ck_findings_kind_known,
    ADD CONSTRAINT ck_findings_kind_known CHECK (kind IN ({kinds}));
"""


def upgrade() -> None:
    op.execute("ALTER TABLE sources ADD COLUMN identity text")
    op.execute(
        _KINDS.format(kinds="'phantom', 'repeated', 'reordered', 'altered', 'set-back', 'topic-made-anew'")
    )


def downgrade() -> None:
    op.execute("ALTER TABLE sources DROP COLUMN identity")
    op.execute("DELETE FROM findings WHERE kind = 'set-back'")
    kinds = "'phantom', 'repeated', 'reordered', 'altered', 'books', 'duplicated', 'topic-made-anew'"
    op.execute(_KINDS.format(kinds=kinds))
