"""Deliveries, and the mechanism as it is in the other histories."""

from alembic import op

from contracts.services import DELIVERY
from migrations.auditing import make_auditable, undo
from migrations.letters import find_discarded, forget_outcomes, lose_discarded, tell_outcomes
from migrations.mechanism import create_mechanism, drop_mechanism
from migrations.retention import hide_letters, keep_days, let_days_go, show_letters
from migrations.sequences import create_sequences, drop_sequences

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE deliveries (
    order_id uuid NOT NULL,
    due_at timestamp with time zone NOT NULL,
    CONSTRAINT pk_deliveries PRIMARY KEY (order_id)
);
"""


def upgrade() -> None:
    create_mechanism(DELIVERY, ("delivery-scheduled", "relay-canary"))
    create_sequences(DELIVERY)
    make_auditable(DELIVERY, ("outbox",))
    tell_outcomes()
    find_discarded()
    let_days_go(DELIVERY)
    show_letters(DELIVERY)
    op.execute(_TABLES)
    op.execute(f"GRANT SELECT, INSERT ON deliveries TO {DELIVERY.role('app')}")


def downgrade() -> None:
    op.execute("DROP TABLE deliveries")
    hide_letters(DELIVERY)
    keep_days()
    lose_discarded()
    forget_outcomes()
    undo(DELIVERY, ("outbox",))
    drop_sequences(DELIVERY)
    drop_mechanism(DELIVERY)
