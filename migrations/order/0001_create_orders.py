"""Orders, the catalogue, and the mechanism."""

from alembic import op

from contracts.services import ORDER
from migrations.mechanism import create_mechanism, drop_mechanism

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As they were then; the outbox refuses any other.
_TOPICS = (
    "order-created",
    "order-completed",
    "order-failed",
    "payment-commands",
    "inventory-commands",
    "relay-canary",
)

_TABLES = """
CREATE TABLE products (
    sku text NOT NULL,
    name text NOT NULL,
    unit_price bigint NOT NULL,
    currency text NOT NULL,
    CONSTRAINT pk_products PRIMARY KEY (sku),
    CONSTRAINT ck_products_price_not_negative CHECK (unit_price >= 0),
    CONSTRAINT ck_products_currency_code CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE TABLE orders (
    id uuid NOT NULL DEFAULT uuidv7(),
    status text NOT NULL,
    awaits text,
    items jsonb NOT NULL,
    total_amount bigint NOT NULL,
    currency text NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_orders PRIMARY KEY (id),
    CONSTRAINT ck_orders_status_known CHECK
        (status IN ('PENDING', 'PAID', 'COMPLETED', 'FAILED', 'OUT_OF_STOCK', 'CANCELLED')),
    CONSTRAINT ck_orders_awaits_known CHECK (awaits IN ('charge', 'reserve', 'refund')),
    CONSTRAINT ck_orders_final_awaits_nothing CHECK
        ((awaits IS NULL) = (status IN ('COMPLETED', 'FAILED', 'OUT_OF_STOCK', 'CANCELLED'))),
    CONSTRAINT ck_orders_total_not_negative CHECK (total_amount >= 0),
    CONSTRAINT ck_orders_items_bounded CHECK (jsonb_array_length(items) BETWEEN 1 AND 50)
);
CREATE INDEX ix_orders_status_id ON orders (status, id);
INSERT INTO products (sku, name, unit_price, currency) VALUES
    ('PHONE', 'Phone', 69900, 'EUR'),
    ('LAPTOP', 'Laptop', 129900, 'EUR'),
    ('PIZZA', 'Pizza', 1250, 'EUR'),
    ('SOLD-OUT', 'A dish that is sold out', 990, 'EUR');
"""


def upgrade() -> None:
    create_mechanism(ORDER, _TOPICS)
    op.execute(_TABLES)
    op.execute(f"GRANT SELECT ON products TO {ORDER.role('app')}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON orders TO {ORDER.role('app')}")


def downgrade() -> None:
    op.execute("DROP TABLE orders, products")
    drop_mechanism(ORDER)
