"""Every action that is taken through the dashboard is kept: begun before it is done, completed after."""

from alembic import op

from contracts.services import AUDITOR_ROLE

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ACTIONS = f"""
CREATE TABLE actions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    began_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    note text,
    ended_at timestamp with time zone,
    outcome text,
    result text,
    CONSTRAINT pk_actions PRIMARY KEY (id),
    CONSTRAINT ck_actions_ended_with_outcome CHECK ((outcome IS NULL) = (ended_at IS NULL))
);
GRANT SELECT, INSERT, UPDATE (ended_at, outcome, result) ON actions TO {AUDITOR_ROLE};
"""


def upgrade() -> None:
    op.execute(_ACTIONS)


def downgrade() -> None:
    op.execute("DROP TABLE actions")
