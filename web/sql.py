"""Every statement of the pieces that the services' HTTP shares, by name, each with its reason."""

from sqlalchemy import text

# A key is locked for the transaction in which it is answered. Who is one of a group passes over one that is
# locked, so that no group waits for another.
TRY_KEYS = text("""
    SELECT lock, pg_try_advisory_xact_lock(lock) AS is_ours FROM unnest(CAST(:locks AS bigint[])) AS lock
""")

# For the rest of the transaction: what follows only inserts, and waits for nobody.
LOCK_TIMEOUT = text("SELECT set_config('lock_timeout', :milliseconds, true)")

AWAIT_KEY = text("SELECT pg_advisory_xact_lock(:lock)")

# No row back means that the key was used; an expired one is taken over as if it had never been.
CLAIM_KEYS = text("""
    INSERT INTO idempotency_keys AS kept (caller, route, key, fingerprint, expires_at)
    SELECT caller, route, key, fingerprint, clock_timestamp() + make_interval(secs => :seconds)
    FROM unnest(
        CAST(:callers AS text[]), CAST(:routes AS text[]), CAST(:keys AS text[]),
        CAST(:fingerprints AS bytea[])
    ) AS asked (caller, route, key, fingerprint)
    ON CONFLICT (caller, route, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, status = NULL, headers = NULL, body = NULL,
        created_at = clock_timestamp(), expires_at = excluded.expires_at
    WHERE kept.expires_at <= clock_timestamp()
    RETURNING caller, route, key, expires_at
""")

STORE_ANSWERS = text("""
    UPDATE idempotency_keys AS kept
    SET status = answer.status, headers = answer.headers::json, body = answer.body::json
    FROM unnest(
        CAST(:callers AS text[]), CAST(:routes AS text[]), CAST(:keys AS text[]), CAST(:statuses AS int[]),
        CAST(:headers AS text[]), CAST(:bodies AS text[])
    ) AS answer (caller, route, key, status, headers, body)
    WHERE (kept.caller, kept.route, kept.key) = (answer.caller, answer.route, answer.key)
""")

# What was claimed by this transaction, for a request that failed.
GIVE_BACK_KEYS = text("""
    DELETE FROM idempotency_keys WHERE (caller, route, key) IN (
        SELECT * FROM unnest(CAST(:callers AS text[]), CAST(:routes AS text[]), CAST(:keys AS text[]))
    )
""")

# A key without its answer is never committed, so whoever sees the row sees the answer.
FIND_ANSWERS = text("""
    SELECT caller, route, key, fingerprint, status, headers, body, expires_at FROM idempotency_keys
    WHERE expires_at > clock_timestamp() AND (caller, route, key) IN (
        SELECT * FROM unnest(CAST(:callers AS text[]), CAST(:routes AS text[]), CAST(:keys AS text[]))
    )
""")

# GCRA: a client's theoretical arrival moves on by one emission a request, and may run ahead of the clock
# by no more than the tolerance. One statement decides and counts. A refused request changes nothing; the
# second half then says how far ahead the client is.
# Who is further ahead than anybody may be was counted by a clock that was set back since, and begins anew.
_ARRIVAL = """CASE WHEN kept.theoretical_arrival > clock_timestamp() + make_interval(secs => :tolerance)
    THEN clock_timestamp() ELSE greatest(kept.theoretical_arrival, clock_timestamp()) END"""
SPEND_REQUEST = text(f"""
    WITH taken AS (
        INSERT INTO rate_limits AS kept (client, theoretical_arrival)
        VALUES (:client, clock_timestamp() + make_interval(secs => :emission))
        ON CONFLICT (client) DO UPDATE
        SET theoretical_arrival = {_ARRIVAL} + make_interval(secs => :emission)
        WHERE {_ARRIVAL} + make_interval(secs => :emission) - make_interval(secs => :tolerance)
            <= clock_timestamp()
        RETURNING theoretical_arrival
    )
    SELECT true AS allowed, extract(epoch FROM theoretical_arrival - clock_timestamp())::float8 AS ahead
    FROM taken
    UNION ALL
    SELECT false, extract(epoch FROM theoretical_arrival - clock_timestamp())::float8
    FROM rate_limits WHERE client = :client AND NOT EXISTS (SELECT FROM taken)
""")  # noqa: S608 - a constant

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
# first, by themselves: as a subquery of the DELETE they could be looked for more than once. And by
# statement_timestamp(): clock_timestamp() is volatile, and would have the index read to its end.
DELETE_EXPIRED_KEYS = text("""
    WITH expired AS MATERIALIZED (
        SELECT caller, route, key FROM idempotency_keys WHERE expires_at <= statement_timestamp()
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
