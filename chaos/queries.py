"""Every statement that gathers evidence, by name. Columns stand as in the rows of chaos/rows.py."""

from sqlalchemy import text

# All of a database's evidence is of one moment.
ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

OPEN_SAGAS = text("""
    SELECT id::text FROM sagas WHERE status IN ('RUNNING', 'COMPENSATING') ORDER BY id
""")

# ── every service

OUTBOX_IDS = text("SELECT id::text FROM outbox WHERE topic = ANY(CAST(:topics AS text[]))")

INBOX_IDS = text("SELECT event_id::text FROM inbox WHERE consumer = :consumer")

OUTBOX = text("""
    SELECT CAST(:service AS text), id::text, topic, aggregateid, type, source, saga_id, sequence,
           encode(sha256(convert_to(payload::text, 'UTF8')), 'hex'),
           extract(epoch FROM created_at)::float8, xact,
           CAST(payload #>> '{total,amount}' AS bigint)
    FROM outbox ORDER BY id
""")

REPLAYS = text("""
    SELECT CAST(:service AS text), id::text, topic,
           encode(sha256(convert_to(payload::text, 'UTF8')), 'hex'), requested_by, reason
    FROM outbox_replay ORDER BY replay_id
""")

# In the auditor's own database. After other recoveries no relay sends anything again by itself.
REWINDS = text("""
    SELECT unnest(services), kind, done_by, extract(epoch FROM done_at)::float8
    FROM recoveries WHERE kind IN ('offsets-lost', 'offsets-ahead') ORDER BY id
""")

INBOX = text("""
    SELECT consumer, event_id::text, topic, partition, "offset" FROM inbox ORDER BY event_id, consumer
""")

DEAD_LETTERS = text("""
    SELECT consumer, event_id::text, topic, partition, "offset", key, state,
           outcome IS NOT DISTINCT FROM 'redriven'
    FROM dead_letters ORDER BY id
""")

FENCES = text("""
    SELECT CAST(:service AS text), saga_id::text, step, state FROM fences ORDER BY saga_id, step
""")

# ── order

ORDERS = text("""
    SELECT id::text, status, total_amount, currency, items, extract(epoch FROM created_at)::float8
    FROM orders ORDER BY id
""")

SAGAS = text("SELECT id::text, status, cause ->> 0 FROM sagas ORDER BY id")

SAGA_LOG = text("""
    SELECT id, saga_id::text, extract(epoch FROM at)::float8, kind, status, message_type, event_id::text
    FROM saga_log ORDER BY id
""")

# The answer to `POST /order` has another name for the order's id.
KEYS = text("""
    SELECT caller, route, key, encode(fingerprint, 'hex'),
           coalesce(body ->> 'order_id', body ->> 'orderId')
    FROM idempotency_keys WHERE body IS NOT NULL ORDER BY caller, route, key
""")

# ── payment

PAYMENTS = text("""
    SELECT order_id::text, status, amount, captured, refunded FROM payments ORDER BY order_id
""")

INTENTS = text("""
    SELECT id::text, order_id::text, operation, epoch, state FROM payment_intents ORDER BY id
""")

MONEY = text("""
    SELECT order_id::text, operation, amount, gateway_reference, xact FROM payment_ledger ORDER BY id
""")

# ── inventory

STOCK = text("SELECT sku, on_hand, reserved, sold FROM stock ORDER BY sku")

STOCK_MOVES = text("""
    SELECT id, order_id::text, sku, movement, on_hand, reserved, sold, xact FROM stock_ledger ORDER BY id
""")

RESERVATIONS = text("SELECT order_id::text, status, items FROM reservations ORDER BY order_id")

# ── the gateway's ledger, where it is a file: SQLite's own text

GATEWAY_LEDGER = "SELECT number, key, operation, amount, declined FROM operations ORDER BY number"
