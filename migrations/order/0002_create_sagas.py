"""Sagas: state, log, deadlines. Orders that are under way go on as sagas of version 1."""

from alembic import op

from contracts.services import ORDER
from migrations.sequences import count_in_the_outbox, count_in_the_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE sagas (
    id uuid NOT NULL,
    definition text NOT NULL,
    version integer NOT NULL,
    fingerprint text NOT NULL,
    status text NOT NULL,
    awaits text[] NOT NULL,
    steps jsonb NOT NULL,
    cause jsonb,
    due_at timestamp with time zone,
    revision bigint NOT NULL DEFAULT 1,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_sagas PRIMARY KEY (id),
    CONSTRAINT ck_sagas_status_known CHECK
        (status IN ('RUNNING', 'COMPENSATING', 'NEEDS_ATTENTION', 'COMPLETED', 'COMPENSATED')),
    CONSTRAINT ck_sagas_only_moving_ones_are_due CHECK
        (due_at IS NULL OR status IN ('RUNNING', 'COMPENSATING')),
    CONSTRAINT ck_sagas_final_awaits_nothing CHECK
        (status NOT IN ('COMPLETED', 'COMPENSATED') OR awaits = '{}'),
    CONSTRAINT ck_sagas_turned_for_a_cause CHECK
        (status NOT IN ('COMPENSATING', 'COMPENSATED') OR cause IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX ix_sagas_due ON sagas (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_sagas_live ON sagas (status, id) WHERE status NOT IN ('COMPLETED', 'COMPENSATED');
CREATE TABLE saga_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    saga_id uuid NOT NULL,
    at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    status text NOT NULL,
    step text,
    operation text,
    epoch bigint,
    message_type text,
    event_id uuid,
    actor text,
    note text,
    CONSTRAINT pk_saga_log PRIMARY KEY (id)
);
CREATE INDEX ix_saga_log_saga_id ON saga_log (saga_id, id);
CREATE TABLE relay_heartbeats (
    relay text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    steady_since timestamp with time zone NOT NULL,
    CONSTRAINT pk_relay_heartbeats PRIMARY KEY (relay),
    CONSTRAINT ck_relay_heartbeats_in_order CHECK (steady_since <= seen_at)
) WITH (fillfactor = 50);
CREATE TABLE saga_expiries (
    minute timestamp with time zone NOT NULL,
    moved bigint NOT NULL,
    CONSTRAINT pk_saga_expiries PRIMARY KEY (minute)
);
"""

# Each order's place in version 1, from the answer that it waited for.
_BEGIN = """
INSERT INTO sagas
    (id, definition, version, fingerprint, status, awaits, steps, cause, due_at, created_at, updated_at)
SELECT orders.id, 'order', 1, '2c46e65b51ac2e2e', place.saga, place.saga_awaits,
       replace(place.steps, 'DUE', to_json(soon.due)::text)::jsonb, place.cause::jsonb,
       CASE WHEN place.saga_awaits <> '{}' THEN soon.due END, orders.created_at, orders.updated_at
FROM (SELECT clock_timestamp() + interval '15 minutes' AS due) AS soon, orders
JOIN (VALUES
    ('PENDING', 'charge', 'RUNNING', '{charge}'::text[], '{"charge":["asked",1,1,DUE]}', NULL),
    ('PAID', 'reserve', 'RUNNING', '{reserve}',
     '{"charge":["done",1,1,null],"reserve":["asked",1,1,DUE]}', NULL),
    ('PAID', 'refund', 'COMPENSATING', '{undo charge}',
     '{"charge":["undoing",1,1,DUE],"reserve":["refused",1,1,null]}', '["refused","reserve","out of stock"]'),
    ('COMPLETED', NULL, 'COMPLETED', '{}', '{"charge":["done",1,1,null],"reserve":["done",1,1,null]}', NULL),
    ('CANCELLED', NULL, 'COMPENSATED', '{}', '{"charge":["undone",1,1,null]}', '["cancelled",null,null]'),
    ('FAILED', NULL, 'COMPENSATED', '{}',
     '{"charge":["refused",1,1,null]}', '["refused","charge","declined"]'),
    ('OUT_OF_STOCK', NULL, 'COMPENSATED', '{}',
     '{"charge":["undone",1,1,null],"reserve":["refused",1,1,null]}', '["refused","reserve","out of stock"]')
) AS place (status, awaits, saga, saga_awaits, steps, cause)
    ON place.status = orders.status AND place.awaits IS NOT DISTINCT FROM orders.awaits
"""

# An order without a saga would take no answer any more.
_NONE_LEFT = """
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM orders WHERE NOT EXISTS (SELECT 1 FROM sagas WHERE sagas.id = orders.id)) THEN
        RAISE EXCEPTION 'there are orders in a state that no saga is known for';
    END IF;
END $$
"""

_ORDERS = """
ALTER TABLE orders ADD COLUMN payment_token text;
ALTER TABLE orders ADD CONSTRAINT ck_orders_token_forgotten CHECK
    (payment_token IS NULL OR status = 'PENDING');
ALTER TABLE orders DROP COLUMN awaits;
"""

_GRANTS = """
GRANT SELECT, INSERT, UPDATE ON sagas, relay_heartbeats TO {app};
GRANT SELECT, INSERT ON saga_log TO {app};
GRANT SELECT, INSERT, UPDATE, DELETE ON saga_expiries TO {app};
"""

# There an order waits for one answer at a time.
_ONE_AT_A_TIME = """
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM sagas WHERE version > 1 AND status NOT IN ('COMPLETED', 'COMPENSATED')) THEN
        RAISE EXCEPTION 'orders are under way on a version of their saga that was not known then';
    END IF;
END $$
"""

# The way back knows only what an order waited for then; what waits for a person waited for nothing there.
_ORDERS_DOWN = """
ALTER TABLE orders DROP CONSTRAINT ck_orders_token_forgotten;
ALTER TABLE orders DROP COLUMN payment_token;
ALTER TABLE orders ADD COLUMN awaits text;
UPDATE orders SET awaits = CASE
    WHEN orders.status = 'PENDING' THEN 'charge'
    WHEN orders.status = 'PAID' AND sagas.cause IS NULL THEN 'reserve'
    WHEN orders.status = 'PAID' THEN 'refund'
END
FROM sagas WHERE sagas.id = orders.id;
ALTER TABLE orders ADD CONSTRAINT ck_orders_awaits_known CHECK (awaits IN ('charge', 'reserve', 'refund'));
ALTER TABLE orders ADD CONSTRAINT ck_orders_final_awaits_nothing CHECK
    ((awaits IS NULL) = (status IN ('COMPLETED', 'FAILED', 'OUT_OF_STOCK', 'CANCELLED')));
DROP TABLE sagas, saga_log, relay_heartbeats, saga_expiries;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_BEGIN)
    op.execute(_NONE_LEFT)
    op.execute(_ORDERS)
    count_in_the_outbox(ORDER, "orders", "id")
    op.execute(_GRANTS.format(app=ORDER.role("app")))


def downgrade() -> None:
    op.execute(_ONE_AT_A_TIME)
    count_in_the_table(ORDER, "orders", "id")
    op.execute(_ORDERS_DOWN)
