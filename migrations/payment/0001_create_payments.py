"""Payments, intents, the ledger, and the mechanism."""

from alembic import op

from contracts.services import PAYMENT
from migrations.mechanism import create_mechanism, drop_mechanism

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As they were then; the outbox refuses any other.
_TOPICS = ("payment-success", "payment-failed", "payment-refunded", "relay-canary")

_TABLES = """
CREATE TABLE payments (
    id uuid NOT NULL DEFAULT uuidv7(),
    order_id uuid NOT NULL,
    status text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    captured bigint NOT NULL DEFAULT 0,
    refunded bigint NOT NULL DEFAULT 0,
    reason text,
    sequence bigint NOT NULL DEFAULT 0,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_payments PRIMARY KEY (id),
    CONSTRAINT uq_payments_order_id UNIQUE (order_id),
    CONSTRAINT ck_payments_status_known CHECK
        (status IN ('REQUESTED', 'CAPTURED', 'DECLINED', 'UNKNOWN', 'REFUNDED')),
    CONSTRAINT ck_payments_captured_all_or_nothing CHECK (captured IN (0, amount)),
    CONSTRAINT ck_payments_refunded_all_or_nothing CHECK (refunded IN (0, captured))
);
CREATE TABLE payment_intents (
    id uuid NOT NULL DEFAULT uuidv7(),
    order_id uuid NOT NULL,
    operation text NOT NULL,
    state text NOT NULL,
    payment_token text,
    attempts bigint NOT NULL DEFAULT 0,
    due_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    leased_by text,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamp with time zone,
    CONSTRAINT pk_payment_intents PRIMARY KEY (id),
    CONSTRAINT fk_payment_intents_order_id FOREIGN KEY (order_id) REFERENCES payments (order_id),
    CONSTRAINT uq_payment_intents_order_id_operation UNIQUE (order_id, operation),
    CONSTRAINT ck_payment_intents_operation_known CHECK (operation IN ('charge', 'refund')),
    CONSTRAINT ck_payment_intents_state_known CHECK (state IN ('REQUESTED', 'SETTLED')),
    CONSTRAINT ck_payment_intents_settled_time CHECK ((settled_at IS NULL) = (state = 'REQUESTED'))
);
CREATE INDEX ix_payment_intents_due ON payment_intents (due_at) WHERE state = 'REQUESTED';
CREATE TABLE payment_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY,
    order_id uuid NOT NULL,
    operation text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    gateway_reference text NOT NULL,
    recorded_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_payment_ledger PRIMARY KEY (id),
    CONSTRAINT uq_payment_ledger_order_id_operation UNIQUE (order_id, operation),
    CONSTRAINT ck_payment_ledger_operation_known CHECK (operation IN ('charge', 'refund')),
    CONSTRAINT ck_payment_ledger_amount_signed CHECK ((amount > 0) = (operation = 'charge'))
);
"""


def upgrade() -> None:
    create_mechanism(PAYMENT, _TOPICS)
    op.execute(_TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON payments, payment_intents TO {PAYMENT.role('app')}")
    op.execute(f"GRANT SELECT, INSERT ON payment_ledger TO {PAYMENT.role('app')}")


def downgrade() -> None:
    op.execute("DROP TABLE payment_ledger, payment_intents, payments")
    drop_mechanism(PAYMENT)
