"""Every statement of the order service, by name, each with its reason."""

from sqlalchemy import text

PRICES = text("SELECT sku, unit_price, currency FROM products WHERE sku = ANY(CAST(:skus AS text[]))")

INSERT_ORDER = text("""
    INSERT INTO orders (status, awaits, items, total_amount, currency, sequence)
    VALUES (:status, :awaits, CAST(:items AS jsonb), :total, :currency, :sequence)
    RETURNING id, status, items, total_amount, currency, created_at, updated_at, false AS needs_attention
""")

# Sorted, so that two workers lock the orders they share in one order and cannot wait for each other.
LOCK_ORDERS = text("SELECT 1 FROM orders WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")

READ_ORDERS = text("""
    SELECT id, status, awaits, items, total_amount, currency FROM orders WHERE id = ANY(CAST(:ids AS uuid[]))
""")

# Each order occurs once in a round, so one row of the arrays is one row of the table.
MOVE_ORDERS = text("""
    UPDATE orders
    SET status = moved.status, awaits = moved.awaits, sequence = orders.sequence + 1,
        updated_at = clock_timestamp()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:awaits AS text[]))
        AS moved (id, status, awaits)
    WHERE orders.id = moved.id
    RETURNING orders.id, orders.sequence
""")

# An order whose messages are held back waits for a person.
_ORDER = """
    SELECT id, status, items, total_amount, currency, created_at, updated_at,
           EXISTS (
               SELECT 1 FROM key_holds WHERE consumer = 'order' AND key = orders.id::text
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
