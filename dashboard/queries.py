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

# ── what goes on

# Postgres' own counters of rows that were ever inserted, so that a rate costs no count. Those of partitions
# belong together.
INSERTED = text("""
    SELECT regexp_replace(relname, '_p[0-9]+$', '') AS name, sum(n_tup_ins)::bigint AS number
    FROM pg_stat_user_tables
    WHERE relname IN ('orders', 'saga_log', 'payment_ledger', 'stock_ledger')
       OR relname ~ '^(outbox|inbox)_p[0-9]+$'
    GROUP BY 1
""")

# ── orders and sagas, a page at a time; the states stand in the text, so that the partial index fits

_SAGA = """
    SELECT id, status, awaits, cause, due_at, created_at, updated_at, clock_timestamp() AS now FROM sagas
    WHERE {which} AND id > coalesce(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000'::uuid)
      AND updated_at <= clock_timestamp() - make_interval(secs => :older_than_seconds)
    ORDER BY id LIMIT :limit
"""
ATTENTION = text(_SAGA.format(which="status = 'NEEDS_ATTENTION'"))
COMPENSATING = text(_SAGA.format(which="status = 'COMPENSATING'"))
RUNNING = text(_SAGA.format(which="status = 'RUNNING'"))
LIVE = text(_SAGA.format(which="status NOT IN ('COMPLETED', 'COMPENSATED')"))

# Newest first; ids are time-ordered.
NEWEST = text("""
    SELECT orders.id, orders.status, orders.created_at, orders.updated_at, orders.total_amount,
           orders.currency, sagas.status AS saga, clock_timestamp() AS now
    FROM orders LEFT JOIN sagas ON sagas.id = orders.id
    WHERE orders.id < coalesce(CAST(:after AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
    ORDER BY orders.id DESC LIMIT :limit
""")

# ── the log of actions

BEGIN_ACTION = text("""
    INSERT INTO actions (actor, action, target, note) VALUES (:actor, :action, :target, :note) RETURNING id
""")
END_ACTION = text("""
    UPDATE actions SET ended_at = clock_timestamp(), outcome = :outcome, result = :result
    WHERE id = :id AND outcome IS NULL
""")
ACTIONS = text("""
    SELECT id, began_at, actor, action, target, note, ended_at, outcome, result FROM actions
    WHERE id < :before ORDER BY id DESC LIMIT :limit
""")

# Actions are few, but nobody knows how few of them are of one kind: the newest thousand are looked through.
CONNECTOR_ACTIONS = text("""
    SELECT id, began_at, actor, action, target, note, ended_at, outcome, result FROM actions
    WHERE id > (SELECT coalesce(max(id), 0) - 1000 FROM actions) AND action LIKE 'connector %'
    ORDER BY id DESC LIMIT 20
""")

# ── one event, wherever it is

EVENT_ROW = text("""
    SELECT id, type, topic, sequence, traceparent, created_at, aggregateid AS key FROM outbox WHERE id = :id
""")
EVENT_PLACES = text("""
    SELECT topic, partition, "offset", appended_at, key, source FROM records WHERE event_id = :id LIMIT 50
""")
EVENT_LETTER = text("""
    SELECT id, type, state, reason, parked_at, attempts, event_id, settled_at, outcome, settled_by, note
    FROM dead_letters WHERE consumer = :consumer AND event_id = :id AND state <> 'stray' LIMIT 1
""")
EVENT_LOST = text("SELECT event_id FROM awaited WHERE event_id = :id AND lost_at IS NOT NULL")
