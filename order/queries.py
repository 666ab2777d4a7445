"""Every statement of the order service, by name, each with its reason."""

from sqlalchemy import text

PRICES = text("SELECT sku, unit_price, currency FROM products WHERE sku = ANY(CAST(:skus AS text[]))")

# The ids are made first, so that each row is known by its place.
INSERT_ORDERS = text("""
    WITH asked AS MATERIALIZED (
        SELECT uuidv7() AS id, row.* FROM unnest(
            CAST(:items AS text[]), CAST(:totals AS bigint[]), CAST(:currencies AS text[]),
            CAST(:payment_tokens AS text[])
        ) WITH ORDINALITY AS row (items, total, currency, payment_token, place)
    ), placed AS (
        INSERT INTO orders (id, status, items, total_amount, currency, payment_token)
        SELECT id, 'PENDING', items::jsonb, total, currency, payment_token FROM asked ORDER BY place
        RETURNING id, status, items, total_amount, currency, payment_token, created_at, updated_at
    )
    SELECT placed.*, false AS needs_attention FROM placed JOIN asked USING (id) ORDER BY place
""")

# No lock: an order's row changes only under the lock of its saga.
READ_ORDERS = text("""
    SELECT id, status, items, total_amount, currency, payment_token FROM orders
    WHERE id = ANY(CAST(:ids AS uuid[]))
""")

# Only what changes. The token is needed until the charge is answered or given up, and not a moment longer.
MOVE_ORDERS = text("""
    UPDATE orders
    SET status = moved.status, updated_at = clock_timestamp(),
        payment_token = CASE WHEN moved.status = 'PENDING' THEN payment_token END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[])) AS moved (id, status)
    WHERE orders.id = moved.id
""")

FORGET_TOKENS = text("""
    UPDATE orders SET payment_token = NULL
    WHERE id = ANY(CAST(:ids AS uuid[])) AND payment_token IS NOT NULL
""")

# An order whose saga stands, or whose messages are held back, waits for a person.
_ORDER = """
    SELECT id, status, items, total_amount, currency, created_at, updated_at,
           EXISTS (
               SELECT 1 FROM key_holds WHERE consumer = 'order' AND key = orders.id::text
           ) OR EXISTS (
               SELECT 1 FROM sagas WHERE sagas.id = orders.id AND sagas.status = 'NEEDS_ATTENTION'
           ) AS needs_attention
    FROM orders
"""

GET_ORDER = text(f"{_ORDER} WHERE id = :id")

# Newest first; ids are time-ordered, so the id is both the order and the cursor.
LIST_ORDERS = text(f"""
    {_ORDER}
    WHERE (CAST(:status AS text) IS NULL OR status = :status)
      AND (CAST(:after AS uuid) IS NULL OR id < CAST(:after AS uuid))
    ORDER BY id DESC LIMIT :limit
""")
