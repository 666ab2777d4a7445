"""The steps of the saga as statements, each a local transaction that may be repeated.

Their parameters are the server's own ($1), which psycopg's RawCursor and asyncpg both take.
"""

PLACE = """
    INSERT INTO orders (id, sku, quantity, amount) VALUES ($1::uuid, $2, $3, $4) ON CONFLICT DO NOTHING
"""
# The update of nothing makes a repeat answer what the first answered.
CHARGE = """
    INSERT INTO payments (order_id, status, amount)
    VALUES ($1::uuid, CASE $2::text WHEN 'tok_declined' THEN 'DECLINED' ELSE 'CAPTURED' END, $3)
    ON CONFLICT (order_id) DO UPDATE SET order_id = EXCLUDED.order_id
    RETURNING status
"""
RESERVE = "SELECT reserve($1::uuid, $2, $3)"
REFUND = "UPDATE payments SET status = 'REFUNDED' WHERE order_id = $1::uuid AND status = 'CAPTURED'"
END = """
    UPDATE orders SET status = $2, finished_at = clock_timestamp(), ended = nextval('ended_orders')
    WHERE id = $1::uuid AND status = 'PENDING'
"""

# The books, read.
ENDED = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ended_orders"
FINISHED = (
    "SELECT id::text, extract(epoch FROM finished_at)::float8 FROM orders WHERE finished_at IS NOT NULL"
)
STATUSES = {
    "orders": "SELECT id::text, status FROM orders",
    "payments": "SELECT order_id::text, status FROM payments",
    "inventory": "SELECT order_id::text, status FROM reservations",
}
CAPTURED = "SELECT coalesce(sum(amount), 0)::int8 FROM payments WHERE status = 'CAPTURED'"
SOLD = "SELECT sum(sold)::int8, sum(on_hand + sold)::int8 FROM stock"
