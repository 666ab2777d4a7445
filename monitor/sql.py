"""What is asked of the databases, by name, each with its reason.

Nothing here may cost more because a system has worked for longer: it goes by an index of what is open, or
by a table that keeps only that.
"""

from sqlalchemy import text

# ── the auditor's database: rows stay in these two for as long as they are open

# By the time in an event's id, when it was written; where it tells none, by when it was noted.
_AGE = """
    extract(epoch FROM clock_timestamp() - min(least(noted_at, uuid_extract_timestamp(event_id))))::float8
"""
READ_AWAITED = text(f"""
    SELECT service, topic, count(*) AS number, {_AGE} AS oldest FROM awaited GROUP BY service, topic
""")  # noqa: S608 - a constant of this file
READ_UNREAD = text(f"""
    SELECT consumer, topic, count(*) AS number, {_AGE} AS oldest FROM unread GROUP BY consumer, topic
""")  # noqa: S608 - as above

# ── a service's database

# Beside what connect.progress tells. NULL where Postgres keeps as much as it takes; `safe` also where it is
# lost.
READ_ROOM = text("""
    SELECT (SELECT safe_wal_size FROM pg_replication_slots WHERE slot_name = :slot) AS safe,
           nullif(setting::bigint, -1) * 1024 * 1024 AS keep
    FROM pg_settings WHERE name = 'max_slot_wal_keep_size'
""")

# A culprit's reason begins with the class of what failed. Others say the same each time, at length.
READ_LETTERS = text("""
    SELECT consumer, CASE WHEN state = 'culprit' THEN split_part(reason, ':', 1) ELSE state END AS kind,
           count(*) AS number,
           extract(epoch FROM clock_timestamp() - min(parked_at))::float8 AS oldest
    FROM dead_letters WHERE settled_at IS NULL GROUP BY 1, 2
""")

# ── sagas

READ_STATUSES = text("""
    SELECT status, count(*) AS number,
           extract(epoch FROM clock_timestamp() - min(updated_at))::float8 AS oldest
    FROM sagas WHERE status NOT IN ('COMPLETED', 'COMPENSATED') GROUP BY status
""")
READ_STEPS = text("""
    SELECT status, step, count(*) AS number,
           extract(epoch FROM clock_timestamp() - min(updated_at))::float8 AS oldest
    FROM sagas CROSS JOIN unnest(awaits) AS step
    WHERE status NOT IN ('COMPLETED', 'COMPENSATED') GROUP BY status, step
""")
READ_OVERDUE = text("""
    SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(due_at)))::float8
    FROM sagas WHERE due_at IS NOT NULL
""")
READ_HEARD = text("""
    SELECT relay, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS age FROM relay_heartbeats
""")

# ── calls to the gateway

READ_INTENTS = text("""
    SELECT operation,
           CASE WHEN attempts = 0 THEN 'waiting'
                WHEN leased_by IS NULL THEN 'unknown' ELSE 'leased' END AS state,
           count(*) AS number,
           extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest
    FROM payment_intents WHERE state = 'REQUESTED' GROUP BY 1, 2
""")
