"""Stock, reservations, the ledger, and the mechanism."""

from alembic import op

from contracts.services import INVENTORY
from migrations.mechanism import create_mechanism, drop_mechanism

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As they were then; the outbox refuses any other.
_TOPICS = ("stock-reserved", "stock-rejected", "stock-released", "relay-canary")

_TABLES = """
CREATE TABLE stock (
    sku text NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL DEFAULT 0,
    sold bigint NOT NULL DEFAULT 0,
    CONSTRAINT pk_stock PRIMARY KEY (sku),
    CONSTRAINT ck_stock_never_oversold CHECK (on_hand >= 0),
    CONSTRAINT ck_stock_reserved_not_negative CHECK (reserved >= 0),
    CONSTRAINT ck_stock_sold_not_negative CHECK (sold >= 0)
);
CREATE TABLE reservations (
    order_id uuid NOT NULL,
    status text NOT NULL,
    items jsonb NOT NULL,
    reason text,
    sequence bigint NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_reservations PRIMARY KEY (order_id),
    CONSTRAINT ck_reservations_status_known CHECK
        (status IN ('RESERVED', 'REJECTED', 'RELEASED', 'SOLD'))
);
CREATE TABLE stock_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY,
    order_id uuid,
    sku text NOT NULL,
    movement text NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    sold bigint NOT NULL,
    moved_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_stock_ledger PRIMARY KEY (id),
    CONSTRAINT ck_stock_ledger_movement_known CHECK
        (movement IN ('reserve', 'release', 'sell', 'restock')),
    CONSTRAINT ck_stock_ledger_order_named CHECK ((order_id IS NULL) = (movement = 'restock'))
);
CREATE INDEX ix_stock_ledger_order_id ON stock_ledger (order_id);
INSERT INTO stock (sku, on_hand) VALUES
    ('PHONE', 1000000), ('LAPTOP', 1000), ('PIZZA', 1000000), ('SOLD-OUT', 0);
INSERT INTO stock_ledger (sku, movement, on_hand, reserved, sold)
    SELECT sku, 'restock', on_hand, 0, 0 FROM stock WHERE on_hand > 0;
"""


def upgrade() -> None:
    create_mechanism(INVENTORY, _TOPICS)
    op.execute(_TABLES)
    op.execute(f"GRANT SELECT, UPDATE ON stock TO {INVENTORY.role('app')}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON reservations TO {INVENTORY.role('app')}")
    op.execute(f"GRANT SELECT, INSERT ON stock_ledger TO {INVENTORY.role('app')}")


def downgrade() -> None:
    op.execute("DROP TABLE stock_ledger, reservations, stock")
    drop_mechanism(INVENTORY)
