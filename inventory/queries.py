"""Every statement of the inventory service, by name, each with its reason."""

from sqlalchemy import text

# Fences, then reservations, then stock, each sorted: whoever locks, locks in this order.
LOCK_RESERVATIONS = text("""
    SELECT items FROM reservations
    WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
    ORDER BY order_id
    FOR UPDATE
""")

LOCK_STOCK = text("SELECT 1 FROM stock WHERE sku = ANY(CAST(:skus AS text[])) ORDER BY sku FOR UPDATE")

READ_RESERVATIONS = text("""
    SELECT order_id, status, items FROM reservations
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

# An order that was refused before is decided afresh when its saga asks again.
STORE_RESERVATIONS = text("""
    INSERT INTO reservations (order_id, status, items, reason)
    SELECT order_id, status, items::jsonb, reason
    FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:statuses AS text[]),
        CAST(:items AS text[]), CAST(:reasons AS text[])
    ) AS row (order_id, status, items, reason)
    ON CONFLICT (order_id) DO UPDATE
    SET status = excluded.status, items = excluded.items, reason = excluded.reason,
        updated_at = clock_timestamp()
""")

# What is reserved is released or sold, whole.
END_RESERVATIONS = text("""
    UPDATE reservations SET status = :status, updated_at = clock_timestamp()
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND status = 'RESERVED'
""")

# The statement's time, not the clock's: the index can be asked for what is older than a constant only.
FORGOTTEN_RESERVATIONS = text("""
    SELECT count(*) AS number, (array_agg(order_id ORDER BY updated_at))[1] AS oldest
    FROM reservations
    WHERE status = 'RESERVED'
      AND updated_at < statement_timestamp() - make_interval(secs => :older_than_seconds)
""")

# Newest first; order ids are time-ordered, so the id is both the order and the cursor.
LIST_RESERVATIONS = text("""
    SELECT order_id, status, items, reason, created_at, updated_at FROM reservations
    WHERE (CAST(:status AS text) IS NULL OR status = :status)
      AND (CAST(:older_than_seconds AS float8) IS NULL
           OR updated_at < statement_timestamp() - make_interval(secs => :older_than_seconds))
      AND (CAST(:after AS uuid) IS NULL OR order_id < CAST(:after AS uuid))
    ORDER BY order_id DESC LIMIT :limit
""")

GET_STOCK = text("SELECT sku, on_hand, reserved, sold FROM stock WHERE sku = :sku")

LIST_STOCK = text("""
    SELECT sku, on_hand, reserved, sold FROM stock
    WHERE (CAST(:after AS text) IS NULL OR sku > :after)
    ORDER BY sku LIMIT :limit
""")
