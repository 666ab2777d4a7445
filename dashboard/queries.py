"""Every statement of the dashboard, by name, each with its reason. Each goes by an index, and has a limit."""

from sqlalchemy import text

# ── one order

GET_ORDER = text("""
    SELECT status, items, total_amount, currency, created_at, updated_at FROM orders WHERE id = :id
""")

GET_PAYMENT = text("""
    SELECT status, amount, currency, captured, refunded, reason FROM payments WHERE order_id = :id
""")

INTENTS = text("""
    SELECT operation, state, created_at, due_at, epoch, attempts, settled_at FROM payment_intents
    WHERE order_id = :id ORDER BY created_at LIMIT 100
""")

GET_RESERVATION = text("""
    SELECT status, created_at, updated_at, reason FROM reservations WHERE order_id = :id
""")

# What waits is found by its key, what was settled by the events that the order is known to have.
LETTERS_OF_ORDER = text("""
    SELECT id, type, state, reason, parked_at, attempts, event_id, settled_at, outcome, settled_by, note
    FROM dead_letters WHERE consumer = :consumer AND key = :key AND settled_at IS NULL
    UNION ALL
    SELECT id, type, state, reason, parked_at, attempts, event_id, settled_at, outcome, settled_by, note
    FROM dead_letters
    WHERE consumer = :consumer AND event_id = ANY(CAST(:ids AS uuid[])) AND state <> 'stray'
      AND settled_at IS NOT NULL
    LIMIT 200
""")

NOW = text("SELECT clock_timestamp()")
