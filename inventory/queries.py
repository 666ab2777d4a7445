"""Every statement of the inventory service, by name, each with its reason."""

from sqlalchemy import text

# Reservations before stock, each sorted: whoever locks, locks in this order.
LOCK_RESERVATIONS = text("""
    SELECT items FROM reservations
    WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
    ORDER BY order_id
    FOR UPDATE
""")

LOCK_STOCK = text("SELECT 1 FROM stock WHERE sku = ANY(CAST(:skus AS text[])) ORDER BY sku FOR UPDATE")

READ_RESERVATIONS = text("""
    SELECT order_id, status, items, reason, sequence FROM reservations
    WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
""")

READ_FREE = text("SELECT sku, on_hand FROM stock WHERE sku = ANY(CAST(:skus AS text[]))")

# One row per sku; the CHECKs refuse what would oversell.
MOVE_STOCK = text("""
    UPDATE stock
    SET on_hand = stock.on_hand + moved.on_hand, reserved = stock.reserved + moved.reserved,
        sold = stock.sold + moved.sold
    FROM unnest(
        CAST(:skus AS text[]),
        CAST(:on_hand AS bigint[]), CAST(:reserved AS bigint[]), CAST(:sold AS bigint[])
    ) AS moved (sku, on_hand, reserved, sold)
    WHERE stock.sku = moved.sku
""")

WRITE_LEDGER = text("""
    INSERT INTO stock_ledger (order_id, sku, movement, on_hand, reserved, sold)
    SELECT * FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:skus AS text[]), CAST(:movements AS text[]),
        CAST(:on_hand AS bigint[]), CAST(:reserved AS bigint[]), CAST(:sold AS bigint[])
    )
""")

# New orders get a row, known ones change their status; either way one more thing is told of them.
STORE_RESERVATIONS = text("""
    INSERT INTO reservations (order_id, status, items, reason, sequence)
    SELECT order_id, status, items::jsonb, reason, 1
    FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:statuses AS text[]),
        CAST(:items AS text[]), CAST(:reasons AS text[])
    ) AS row (order_id, status, items, reason)
    ON CONFLICT (order_id) DO UPDATE
    SET status = excluded.status, reason = excluded.reason, sequence = reservations.sequence + 1,
        updated_at = clock_timestamp()
    RETURNING order_id, sequence
""")

# Nothing is told of a sale, so the sequence stays.
MARK_SOLD = text("""
    UPDATE reservations SET status = 'SOLD', updated_at = clock_timestamp()
    WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
""")

GET_STOCK = text("SELECT sku, on_hand, reserved, sold FROM stock WHERE sku = :sku")

LIST_STOCK = text("""
    SELECT sku, on_hand, reserved, sold FROM stock
    WHERE (CAST(:after AS text) IS NULL OR sku > :after)
    ORDER BY sku LIMIT :limit
""")
