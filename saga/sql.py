"""Every statement of the sagas, by name, each with its reason."""

from sqlalchemy import text

# ── the participants' fences

# A concurrent twin waits here for our commit, so that the lock that follows finds every row.
MAKE_FENCES = text("""
    INSERT INTO fences (saga_id, step)
    SELECT saga_id, step FROM unnest(CAST(:saga_ids AS uuid[]), CAST(:steps AS text[])) AS row (saga_id, step)
    ORDER BY saga_id, step
    ON CONFLICT DO NOTHING
""")

# Sorted, so that two processes lock the fences they share in one order.
LOCK_FENCES = text("""
    SELECT 1 FROM fences
    WHERE (saga_id, step) IN (SELECT * FROM unnest(CAST(:saga_ids AS uuid[]), CAST(:steps AS text[])))
    ORDER BY saga_id, step
    FOR UPDATE
""")

READ_FENCES = text("""
    SELECT saga_id, step, state, epoch, reply_type, reply FROM fences
    WHERE (saga_id, step) IN (SELECT * FROM unnest(CAST(:saga_ids AS uuid[]), CAST(:steps AS text[])))
""")

STORE_FENCES = text("""
    UPDATE fences
    SET state = stored.state, epoch = stored.epoch, reply_type = stored.reply_type,
        reply = stored.reply::json, updated_at = clock_timestamp()
    FROM unnest(
        CAST(:saga_ids AS uuid[]), CAST(:steps AS text[]), CAST(:states AS text[]), CAST(:epochs AS bigint[]),
        CAST(:reply_types AS text[]), CAST(:replies AS text[])
    ) AS stored (saga_id, step, state, epoch, reply_type, reply)
    WHERE fences.saga_id = stored.saga_id AND fences.step = stored.step
""")

# ── the orchestrator

INSERT_SAGAS = text("""
    INSERT INTO sagas (id, definition, version, fingerprint, status, awaits, steps, due_at, traceparent)
    SELECT id, :definition, :version, :fingerprint, status, string_to_array(awaits, ','), steps::jsonb,
           due_at, traceparent
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:awaits AS text[]), CAST(:steps AS text[]),
        CAST(:due_at AS timestamptz[]), CAST(:traceparents AS text[])
    ) AS row (id, status, awaits, steps, due_at, traceparent)
""")

# Sorted, so that two workers lock the sagas they share in one order and cannot wait for each other.
LOCK_SAGAS = text("SELECT 1 FROM sagas WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")

READ_SAGAS = text("""
    SELECT id, definition, version, fingerprint, status, steps, cause, revision, traceparent,
           clock_timestamp() AS now
    FROM sagas WHERE id = ANY(CAST(:ids AS uuid[]))
""")

# A row that has changed since it was read is left as it is, and missing from the answer.
STORE_SAGAS = text("""
    UPDATE sagas
    SET status = stored.status, awaits = string_to_array(stored.awaits, ','), steps = stored.steps::jsonb,
        cause = stored.cause::jsonb, due_at = stored.due_at, revision = sagas.revision + 1,
        updated_at = clock_timestamp()
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:awaits AS text[]), CAST(:steps AS text[]),
        CAST(:causes AS text[]), CAST(:due_at AS timestamptz[]), CAST(:revisions AS bigint[])
    ) AS stored (id, status, awaits, steps, cause, due_at, revision)
    WHERE sagas.id = stored.id AND sagas.revision = stored.revision
    RETURNING sagas.id
""")

WRITE_LOG = text("""
    INSERT INTO saga_log
        (saga_id, kind, status, step, operation, epoch, message_type, event_id, actor, note)
    SELECT saga_id, kind, status, step, operation, epoch, message_type, event_id, actor, note
    FROM unnest(
        CAST(:saga_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:statuses AS text[]), CAST(:steps AS text[]),
        CAST(:operations AS text[]), CAST(:epochs AS bigint[]), CAST(:message_types AS text[]),
        CAST(:event_ids AS uuid[]), CAST(:actors AS text[]), CAST(:notes AS text[])
    ) WITH ORDINALITY AS row
        (saga_id, kind, status, step, operation, epoch, message_type, event_id, actor, note, place)
    ORDER BY place
""")

# ── the clock

# A relay that was silent too long begins to be steady anew. A clock that was set back makes nobody younger.
SEE_HEARTBEATS = text("""
    INSERT INTO relay_heartbeats AS known (relay, seen_at, steady_since)
    SELECT relay, statement_timestamp(), statement_timestamp() FROM unnest(CAST(:relays AS text[])) AS relay
    ORDER BY relay
    ON CONFLICT (relay) DO UPDATE
    SET seen_at = excluded.seen_at,
        steady_since = CASE
            WHEN known.seen_at < excluded.seen_at - make_interval(secs => :stale_seconds)
            THEN excluded.seen_at ELSE least(known.steady_since, excluded.seen_at)
        END
""")

# The minute's row is locked, so that together all orchestrators keep to the cap.
TAKE_MINUTE = text("""
    INSERT INTO saga_expiries AS minute (minute, moved) VALUES (date_trunc('minute', clock_timestamp()), 0)
    ON CONFLICT (minute) DO UPDATE SET moved = minute.moved
    RETURNING minute, moved
""")

SPEND_MINUTE = text("UPDATE saga_expiries SET moved = moved + :moved WHERE minute = :minute")

FORGET_MINUTES = text("DELETE FROM saga_expiries WHERE minute < clock_timestamp() - interval '1 hour'")

# clock_timestamp() is volatile and cannot bound an index scan; statement_timestamp() is stable, and can.
IS_ANY_DUE = text("""
    SELECT EXISTS (
        SELECT 1 FROM sagas
        WHERE due_at <= statement_timestamp()
          AND due_at >= statement_timestamp() - make_interval(secs => :back_seconds)
    )
""")

# Time in which a relay stood still does not count: after it, every deadline is given once more in full.
# Sagas that another process has in hand are left to it.
CLAIM_DUE = text("""
    WITH relays AS (
        SELECT count(*) AS beating, max(steady_since) AS steady_since FROM relay_heartbeats
        WHERE relay = ANY(CAST(:relays AS text[]))
          AND seen_at >= clock_timestamp() - make_interval(secs => :stale_seconds)
    )
    SELECT sagas.id FROM sagas, relays
    WHERE sagas.due_at <= statement_timestamp()
      AND relays.beating = cardinality(CAST(:relays AS text[]))
      AND relays.steady_since + coalesce(
          (
              SELECT make_interval(secs => max((step.value->>5)::float8)) FROM jsonb_each(sagas.steps) AS step
              WHERE step.value->>3 IS NOT NULL
          ),
          sagas.due_at - sagas.updated_at
      ) <= clock_timestamp()
      AND sagas.id <> ALL(CAST(:passed_by AS uuid[]))
    ORDER BY sagas.due_at LIMIT :limit
    FOR UPDATE OF sagas SKIP LOCKED
""")

# A saga that cannot be moved must not keep the others from it.
SET_ASIDE = text("""
    WITH aside AS (
        UPDATE sagas SET status = 'NEEDS_ATTENTION', due_at = NULL, revision = revision + 1,
            updated_at = clock_timestamp()
        WHERE id = :id AND status IN ('RUNNING', 'COMPENSATING')
        RETURNING id, status
    )
    INSERT INTO saga_log (saga_id, kind, status, note) SELECT id, 'failed', status, :reason FROM aside
""")

STUCK_SAGAS = text("""
    SELECT count(*) AS number, min(id::text) AS oldest FROM sagas WHERE status = 'NEEDS_ATTENTION'
""")

SILENT_RELAYS = text("""
    SELECT relay FROM unnest(CAST(:relays AS text[])) AS relay
    WHERE NOT EXISTS (
        SELECT 1 FROM relay_heartbeats AS known
        WHERE known.relay = relay.relay
          AND known.seen_at >= clock_timestamp() - make_interval(secs => :stale_seconds)
    )
    ORDER BY relay
""")

# ── people

LIVE_VERSIONS = text("""
    SELECT definition, version, fingerprint, count(*) AS sagas, min(id::text) AS oldest FROM sagas
    WHERE status NOT IN ('COMPLETED', 'COMPENSATED')
    GROUP BY definition, version, fingerprint
""")

_SAGA = """
    SELECT id, definition, version, status, awaits, steps, cause, due_at, traceparent, created_at, updated_at,
           extract(epoch FROM clock_timestamp() - updated_at)::float8 AS waiting_seconds
    FROM sagas
"""

GET_SAGA = text(f"{_SAGA} WHERE id = :id")

# The oldest sagas first; ids are time-ordered.
LIST_SAGAS = text(f"""
    {_SAGA}
    WHERE ((CAST(:status AS text) IS NULL AND status NOT IN ('COMPLETED', 'COMPENSATED')) OR status = :status)
      AND (CAST(:step AS text) IS NULL OR :step = ANY(awaits))
      AND (CAST(:older_than_seconds AS float8) IS NULL
           OR updated_at <= clock_timestamp() - make_interval(secs => :older_than_seconds))
      AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid))
    ORDER BY id LIMIT :limit
""")

# The newest lines, where there are very many: what a saga does now is what matters.
READ_LOG = text("""
    SELECT * FROM (
        SELECT id, at, kind, status, step, operation, epoch, message_type, event_id, actor, note FROM saga_log
        WHERE saga_id = :id ORDER BY id DESC LIMIT 1000
    ) AS newest ORDER BY id
""")
