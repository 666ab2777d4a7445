"""Every statement of the pieces that the services' HTTP shares, by name, each with its reason."""

from sqlalchemy import text

# For the rest of the transaction: what follows a claim only inserts, and waits for nobody.
LOCK_TIMEOUT = text("SELECT set_config('lock_timeout', :milliseconds, true)")

# The unique index makes a twin wait for our commit. No row back means that the key is taken; an expired
# one is taken over as if it had never been.
CLAIM_KEY = text("""
    INSERT INTO idempotency_keys AS kept (caller, route, key, fingerprint, expires_at)
    VALUES (:caller, :route, :key, :fingerprint, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (caller, route, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, status = NULL, headers = NULL, body = NULL,
        created_at = clock_timestamp(), expires_at = excluded.expires_at
    WHERE kept.expires_at <= clock_timestamp()
    RETURNING expires_at
""")

STORE_ANSWER = text("""
    UPDATE idempotency_keys
    SET status = :status, headers = CAST(:headers AS json), body = CAST(:body AS json)
    WHERE caller = :caller AND route = :route AND key = :key
""")

# A key without its answer is never committed, so whoever sees the row sees the answer.
FIND_ANSWER = text("""
    SELECT fingerprint, status, headers, body, expires_at FROM idempotency_keys
    WHERE caller = :caller AND route = :route AND key = :key AND expires_at > clock_timestamp()
""")

# GCRA: a client's theoretical arrival moves on by one emission a request, and may run ahead of the clock
# by no more than the tolerance. One statement decides and counts. A refused request changes nothing; the
# second half then says how far ahead the client is.
SPEND_REQUEST = text("""
    WITH taken AS (
        INSERT INTO rate_limits AS kept (client, theoretical_arrival)
        VALUES (:client, clock_timestamp() + make_interval(secs => :emission))
        ON CONFLICT (client) DO UPDATE
        SET theoretical_arrival =
            greatest(kept.theoretical_arrival, clock_timestamp()) + make_interval(secs => :emission)
        WHERE greatest(kept.theoretical_arrival, clock_timestamp())
            + make_interval(secs => :emission) - make_interval(secs => :tolerance) <= clock_timestamp()
        RETURNING theoretical_arrival
    )
    SELECT true AS allowed, extract(epoch FROM theoretical_arrival - clock_timestamp())::float8 AS ahead
    FROM taken
    UNION ALL
    SELECT false, extract(epoch FROM theoretical_arrival - clock_timestamp())::float8
    FROM rate_limits WHERE client = :client AND NOT EXISTS (SELECT FROM taken)
""")

# How much of what a slot may hold back the slowest one holds. NULL where the bound is off (-1) or no slot
# holds anything: then nothing is about to be lost.
WAL_SHARE = text("""
    SELECT (max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) / (
        SELECT nullif(greatest(setting::bigint, 0), 0) * 1048576.0
        FROM pg_settings WHERE name = 'max_slot_wal_keep_size'
    ))::float8
    FROM pg_replication_slots
""")

# Batches are small and skip what a request holds, so that cleaning delays nobody. The rows are found
# first, by themselves: as a subquery of the DELETE they could be looked for more than once.
DELETE_EXPIRED_KEYS = text("""
    WITH expired AS MATERIALIZED (
        SELECT caller, route, key FROM idempotency_keys WHERE expires_at <= clock_timestamp()
        ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    DELETE FROM idempotency_keys AS kept USING expired
    WHERE (kept.caller, kept.route, kept.key) = (expired.caller, expired.route, expired.key)
""")

# A client whose theoretical arrival has passed is as good as one never seen. There is no index to find
# them by: it would cost every request of every client more than a scan costs now and then.
DELETE_IDLE_CLIENTS = text("""
    WITH idle AS MATERIALIZED (
        SELECT client FROM rate_limits WHERE theoretical_arrival <= clock_timestamp()
        LIMIT :most FOR UPDATE SKIP LOCKED
    )
    DELETE FROM rate_limits AS kept USING idle WHERE kept.client = idle.client
""")
