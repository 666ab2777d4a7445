"""Every statement of the mechanism, by name, each with its reason."""

from sqlalchemy import text

# One statement for all rows, yet each row an ordinary heap insert with a WAL position of its own:
# rows that share one (COPY does that) are the least proven case of a relay's restart.
# A key's numbers rise by one with every row: the counter's row is locked until we commit. A saga is known
# by the key of its messages.
WRITE_OUTBOX = text("""
    WITH counted AS (
        INSERT INTO sequences AS counter (aggregate_id, last)
        SELECT key, count(*) FROM unnest(CAST(:keys AS text[])) AS key GROUP BY key ORDER BY key
        ON CONFLICT (aggregate_id) DO UPDATE SET last = counter.last + excluded.last
        RETURNING aggregate_id, last
    ), written AS (
        INSERT INTO outbox (aggregatetype, aggregateid, type, payload, topic, sequence, source, saga_id,
                            traceparent)
        SELECT :service, row.key, row.type, row.payload::json, row.topic, counted.last - row.behind,
               :source, row.key, row.traceparent
        FROM unnest(
            CAST(:keys AS text[]), CAST(:types AS text[]), CAST(:payloads AS text[]),
            CAST(:topics AS text[]), CAST(:behind AS bigint[]), CAST(:traceparents AS text[])
        ) WITH ORDINALITY AS row (key, type, payload, topic, behind, traceparent, place)
        JOIN counted ON counted.aggregate_id = row.key
        ORDER BY row.place
        RETURNING id, aggregateid, sequence
    )
    SELECT written.id, written.aggregateid, counted.last - written.sequence AS behind
    FROM written JOIN counted ON counted.aggregate_id = written.aggregateid
""")

# No row back means that the event was handled before. A concurrent twin waits here for our commit;
# the order of ids is the same for everybody, so two workers cannot wait for each other.
CLAIM_EVENTS = text("""
    INSERT INTO inbox (event_id, consumer, topic, partition, "offset")
    SELECT event_id, :consumer, topic, partition, "offset"
    FROM unnest(
        CAST(:event_ids AS uuid[]), CAST(:topics AS text[]),
        CAST(:partitions AS int[]), CAST(:offsets AS bigint[])
    ) AS row (event_id, topic, partition, "offset")
    ORDER BY event_id
    ON CONFLICT DO NOTHING
    RETURNING event_id
""")

# The ids that the inbox has partitions for.
INBOX_PARTITIONS = text("""
    SELECT pg_get_expr(child.relpartbound, child.oid) AS bounds
    FROM pg_inherits JOIN pg_class child ON child.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = 'inbox'::regclass AND NOT pg_inherits.inhdetachpending
""")

MAKE_PARTITIONS = text("SELECT make_partitions(:days_ahead)")

# Locked, so that a redrive of the key is either wholly before or wholly after this batch.
LOCK_HOLDS = text("""
    SELECT key FROM key_holds
    WHERE consumer = :consumer AND key = ANY(CAST(:keys AS text[]))
    ORDER BY key
    FOR UPDATE
""")

# The update changes nothing but waits for whoever is about to delete the row, and then inserts; DO NOTHING
# would skip past it, and a letter would be left without a hold. Who redrives or discards takes the hold so
# too: then it is theirs, and they know that nobody parks, also where it was gone when they came.
HOLD_KEY = text("""
    INSERT INTO key_holds (consumer, key) VALUES (:consumer, :key)
    ON CONFLICT (consumer, key) DO UPDATE SET key = excluded.key
""")

# By whoever has taken the hold. While a letter waits the key stays held.
RELEASE_HOLD = text("""
    DELETE FROM key_holds WHERE consumer = :consumer AND key = :key AND NOT EXISTS (
        SELECT FROM dead_letters
        WHERE consumer = :consumer AND key = :key AND settled_at IS NULL AND state <> 'stray'
    )
""")

# A redelivered stray is known by its place and content; everything else was claimed just before.
PARK = text("""
    INSERT INTO dead_letters
        (consumer, key, event_id, type, topic, partition, "offset", headers, value, state, reason)
    VALUES
        (:consumer, :key, :event_id, :type, :topic, :partition, :offset, CAST(:headers AS jsonb), :value,
         :state, :reason)
    ON CONFLICT DO NOTHING
""")

# Which letters are meant, in the words of messaging.letters.Wanted; what is NULL lets all through.
_IS_WANTED = """
    (CAST(:key AS text) IS NULL OR {letter}.key = :key)
    AND (CAST(:id AS bigint) IS NULL OR {letter}.id = :id)
    AND (CAST(:type AS text) IS NULL OR {letter}.type = :type)
    AND (CAST(:reason AS text) IS NULL OR strpos(lower({letter}.reason), lower(:reason)) > 0)
    AND (CAST(:older_than AS float8) IS NULL
         OR {letter}.parked_at < clock_timestamp() - make_interval(secs => :older_than))
"""

# The held keys whose first waiting letter is wanted: what waits behind it follows, wanted or not. A hold that
# has outlived its letters is found by its key, or where everything is wanted.
HELD_KEYS = text(f"""
    SELECT first.key FROM (
        SELECT hold.key, hold.held_since, letter.id, letter.type, letter.reason, letter.parked_at
        FROM key_holds AS hold LEFT JOIN LATERAL (
            SELECT id, type, reason, parked_at FROM dead_letters
            WHERE consumer = hold.consumer AND key = hold.key AND settled_at IS NULL AND state <> 'stray'
            ORDER BY id LIMIT 1
        ) AS letter ON true
        WHERE hold.consumer = :consumer
    ) AS first
    WHERE {_IS_WANTED.format(letter="first")}
    ORDER BY first.held_since, first.key
""")  # noqa: S608 - no value of a caller is part of the text

# What waits for a key, in the order in which it will be handled.
QUEUE_OF_KEY = text("""
    SELECT id, consumer, key, event_id, type, topic, partition, "offset", headers, value, state, reason
    FROM dead_letters
    WHERE consumer = :consumer AND key = :key AND settled_at IS NULL AND state <> 'stray'
    ORDER BY id
""")

FIRST_WAITING = text("""
    SELECT id, key, topic, partition, "offset", headers, value FROM dead_letters
    WHERE consumer = :consumer AND key = :key AND settled_at IS NULL AND state <> 'stray'
    ORDER BY id LIMIT 1
""")

# Settled once: who comes second changes nothing, and is told so by the row that does not come back.
SETTLE_LETTERS = text("""
    UPDATE dead_letters
    SET settled_at = clock_timestamp(), outcome = :outcome, settled_by = :by, note = :note
    WHERE id = ANY(CAST(:ids AS bigint[])) AND settled_at IS NULL
    RETURNING id
""")

REFUSE_LETTER = text("""
    UPDATE dead_letters SET attempts = attempts + 1, state = 'culprit', reason = :reason
    WHERE id = :id AND settled_at IS NULL
""")

# `place` is the letter's place in the queue of its key, from 1; a stray stands in none.
LIST_LETTERS = text(f"""
    WITH waiting AS (
        SELECT id, consumer, key, event_id, type, topic, partition, "offset", state, reason, attempts,
               parked_at,
               CASE WHEN state <> 'stray'
                    THEN row_number() OVER (PARTITION BY consumer, key, state = 'stray' ORDER BY id)
               END AS place
        FROM dead_letters WHERE settled_at IS NULL
    )
    SELECT * FROM waiting WHERE {_IS_WANTED.format(letter="waiting")}
    ORDER BY id LIMIT :limit
""")  # noqa: S608 - no value of a caller is part of the text

GET_LETTER = text("""
    SELECT id, consumer, key, event_id, type, topic, partition, "offset", headers, value, state, reason,
           attempts, parked_at, settled_at, outcome, settled_by, note
    FROM dead_letters WHERE id = :id
""")
