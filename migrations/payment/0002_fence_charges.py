"""Charges behind fences, intents by epoch, and webhooks."""

from alembic import op

from contracts.services import PAYMENT
from migrations.fences import create_fences, drop_fences
from migrations.sequences import count_in_the_outbox, count_in_the_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = """
ALTER TABLE payment_intents
    ADD COLUMN epoch bigint NOT NULL DEFAULT 1,
    DROP CONSTRAINT uq_payment_intents_order_id_operation,
    DROP CONSTRAINT ck_payment_intents_state_known,
    ADD CONSTRAINT uq_payment_intents_order_id_operation_epoch UNIQUE (order_id, operation, epoch),
    ADD CONSTRAINT ck_payment_intents_state_known CHECK (state IN ('REQUESTED', 'SETTLED', 'WITHDRAWN')),
    ADD CONSTRAINT ck_payment_intents_withdrawn_untried CHECK (state <> 'WITHDRAWN' OR attempts = 0),
    ADD CONSTRAINT ck_payment_intents_epoch_positive CHECK (epoch > 0);
ALTER TABLE payment_intents ALTER COLUMN epoch DROP DEFAULT;
CREATE UNIQUE INDEX uq_payment_intents_open ON payment_intents (order_id, operation)
    WHERE state = 'REQUESTED';
CREATE TABLE webhook_deliveries (
    id text NOT NULL,
    received_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id)
);
"""

# Commands had no epoch yet, which is read as the first. Whatever a refund intent says comes first: it is the
# compensation, under way or at its end. A refunded payment that nothing was ever charged for is a tombstone.
_FILL_FENCES = """
INSERT INTO fences (saga_id, step, epoch, state, reply_type, reply)
SELECT payments.order_id, 'charge', 1, known.state, answer.type,
       CASE WHEN answer.type IS NOT NULL THEN json_strip_nulls(json_build_object(
           'order_id', payments.order_id, 'epoch', 1,
           'reason', CASE known.state WHEN 'refused' THEN coalesce(reason, 'declined') END,
           'total', CASE WHEN known.state <> 'refused' THEN json_build_object(
               'amount', CASE known.state WHEN 'done' THEN captured ELSE refunded END,
               'currency', currency) END)) END
FROM payments
LEFT JOIN payment_intents refund
    ON refund.order_id = payments.order_id AND refund.operation = 'refund'
CROSS JOIN LATERAL (SELECT CASE
    WHEN refund.state = 'REQUESTED' THEN 'undoing'
    WHEN refund.state = 'SETTLED' THEN 'undone'
    WHEN status = 'REFUNDED' THEN 'tombstone'
    WHEN status = 'CAPTURED' THEN 'done'
    WHEN status = 'DECLINED' THEN 'refused'
    ELSE 'begun'
END AS state) AS known
LEFT JOIN (VALUES
    ('done', 'payment.captured.v1'), ('refused', 'payment.declined.v1'),
    ('undone', 'payment.refunded.v1'), ('tombstone', 'payment.refunded.v1')
) AS answer (state, type) ON answer.state = known.state
"""

# One intent an order and operation: of several tries the newest stays, which is the one that counts.
_DOWN = """
DROP TABLE webhook_deliveries;
DROP INDEX uq_payment_intents_open;
DELETE FROM payment_intents older USING payment_intents newer
    WHERE (older.order_id, older.operation) = (newer.order_id, newer.operation)
      AND older.epoch < newer.epoch;
UPDATE payment_intents SET state = 'SETTLED' WHERE state = 'WITHDRAWN';
ALTER TABLE payment_intents
    DROP CONSTRAINT ck_payment_intents_withdrawn_untried,
    DROP CONSTRAINT ck_payment_intents_state_known,
    ADD CONSTRAINT ck_payment_intents_state_known CHECK (state IN ('REQUESTED', 'SETTLED')),
    DROP COLUMN epoch,
    ADD CONSTRAINT uq_payment_intents_order_id_operation UNIQUE (order_id, operation);
"""


def upgrade() -> None:
    count_in_the_outbox(PAYMENT, "payments", "order_id")
    create_fences(PAYMENT)
    op.execute(_FILL_FENCES)
    op.execute(_UP)
    op.execute(f"GRANT SELECT, INSERT, DELETE ON webhook_deliveries TO {PAYMENT.role('app')}")


def downgrade() -> None:
    op.execute(_DOWN)
    drop_fences()
    count_in_the_table(PAYMENT, "payments", "order_id")
