"""What is asked about one order's events, by name, each with its reason. Every statement goes by an index."""

from sqlalchemy import text

LOGGED = text("SELECT event_id FROM saga_log WHERE saga_id = :order_id AND event_id IS NOT NULL LIMIT 1000")

PLACES = text("""
    SELECT event_id, topic, partition, "offset", appended_at FROM records WHERE key = :key
    ORDER BY appended_at LIMIT 1000
""")
AWAITED = text("SELECT event_id FROM awaited WHERE key = :key LIMIT 1000")

# The bound is computed before the scan begins, so that the newest rows are found by their ids.
WRITTEN = text("""
    SELECT id, type, topic, sequence, traceparent, created_at FROM outbox WHERE id = ANY(CAST(:ids AS uuid[]))
    UNION
    SELECT id, type, topic, sequence, traceparent, created_at FROM outbox
    WHERE id >= (SELECT uuidv7(make_interval(secs => -CAST(:seconds AS int)))) AND aggregateid = :key
    LIMIT 1000
""")

RECEIVED = text("""
    SELECT event_id, received_at FROM inbox
    WHERE event_id = ANY(CAST(:ids AS uuid[])) AND consumer = :consumer
""")
