"""Every statement of the delivery service, by name, each with its reason."""

from sqlalchemy import text

# An order that has a delivery keeps it, and is not told again.
SCHEDULE = text("""
    INSERT INTO deliveries (order_id, due_at)
    SELECT order_id, clock_timestamp() + interval '40 minutes'
    FROM unnest(CAST(:order_ids AS uuid[])) AS row (order_id) ORDER BY order_id
    ON CONFLICT (order_id) DO NOTHING RETURNING order_id, due_at
""")
