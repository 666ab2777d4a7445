"""What is asked of the database about relays, by name, each with its reason."""

from sqlalchemy import text

# Positions as numbers of bytes, which can be told apart, subtracted and written into an offset.
# A heartbeat is a row that the relay itself writes, so its age tells that the relay reads on.
READ_RELAY = text("""
    SELECT (pg_current_wal_lsn() - '0/0')::bigint AS written,
           (SELECT extract(epoch FROM clock_timestamp() - max(ts))::float8 FROM dbz_heartbeat) AS beat_age,
           slot.slot_name IS NOT NULL AS has_slot, slot.active, slot.wal_status, slot.invalidation_reason,
           (slot.confirmed_flush_lsn - '0/0')::bigint AS flushed,
           (slot.restart_lsn - '0/0')::bigint AS restart
    FROM (SELECT 1) AS one
    LEFT JOIN pg_replication_slots AS slot ON slot.slot_name = :slot
""")

# In bytes; -1 is "as much as it takes".
KEEP_BYTES = text("""
    SELECT CASE WHEN setting::bigint < 0 THEN -1 ELSE setting::bigint * 1024 * 1024 END
    FROM pg_settings WHERE name = 'max_slot_wal_keep_size'
""")

PUBLISHED_TABLES = text("SELECT tablename FROM pg_publication_tables WHERE pubname = :publication")

# What must long be in its topic: younger rows may still be on their way. Of the newest, so that it does not
# take longer the more there is.
ROWS_BY_TOPIC = text("""
    SELECT topic, count(*) AS number FROM (
        SELECT topic FROM outbox WHERE created_at < clock_timestamp() - interval '30 s'
        ORDER BY id DESC LIMIT 1000000
    ) AS newest GROUP BY topic
""")

# Taken by one recovery at a time, for as long as its session lasts.
TRY_TO_RECOVER = text("SELECT pg_try_advisory_lock(hashtext('connect.recovery'))")

# The last argument: a standby that follows the primary keeps the slot too.
CREATE_SLOT = text("SELECT pg_create_logical_replication_slot(:slot, 'pgoutput', false, false, true)")

DROP_SLOT = text(
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = :slot"
)
