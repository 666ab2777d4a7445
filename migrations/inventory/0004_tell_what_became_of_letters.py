"""A settled dead letter tells what became of it."""

from migrations.letters import forget_outcomes, tell_outcomes

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tell_outcomes()


def downgrade() -> None:
    forget_outcomes()
