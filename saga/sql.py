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
