"""Every statement on the auditor's own database, in the order of a round, each with its reason."""

from sqlalchemy import text

# Two auditors would count everything twice: the second waits for the first to end.
ONLY_ONE = text("SELECT pg_try_advisory_lock(hashtext('auditor'))")

# A round's news, gone with its transaction. Its other halves are looked up by their ids: a planner that
# takes a table that was just empty for small, or a history for cheap to read, goes through all of either.
MAKE_NEWS = text("""
    SET LOCAL enable_seqscan = off;
    CREATE TEMPORARY TABLE IF NOT EXISTS arrivals (
        topic text, partition bigint, "offset" bigint, event_id uuid, key text, sequence bigint, source text,
        digest bytea, appended_at timestamptz, is_repeat boolean NOT NULL DEFAULT false
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS written (
        event_id uuid, service text, topic text, key text, sequence bigint, digest bytea, noted_lsn bigint
    ) ON COMMIT DELETE ROWS
""")
COPY_ARRIVALS = """
    COPY arrivals (topic, partition, "offset", event_id, key, sequence, source, digest, appended_at)
    FROM STDIN (FORMAT BINARY)
"""
COPY_WRITTEN = "COPY written FROM STDIN (FORMAT BINARY)"

NOW = text("SELECT clock_timestamp()")

MARKS = text("SELECT service, outbox_mark, ledger_mark FROM sources")
SET_OUTBOX_MARK = text("""
    INSERT INTO sources (service, outbox_mark) VALUES (:service, :mark)
    ON CONFLICT (service) DO UPDATE SET outbox_mark = excluded.outbox_mark
""")

POSITIONS = text("SELECT topic, partition, topic_id, next_offset FROM positions")
SET_POSITIONS = text("""
    INSERT INTO positions (topic, partition, topic_id, next_offset)
    SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS bigint[]),
                         CAST(:topic_ids AS text[]), CAST(:offsets AS bigint[]))
    ON CONFLICT (topic, partition) DO UPDATE
    SET topic_id = excluded.topic_id, next_offset = excluded.next_offset
""")

# ── a topic that was deleted

# What it held is not there any more. Of the copies in Kafka this was the only one. What no outbox is known
# to have is not waited for.
AWAIT_AGAIN = text("""
    INSERT INTO awaited (event_id, service, topic, key, sequence, digest, noted_lsn)
    SELECT DISTINCT ON (event_id) event_id, ltrim(source, '/'), topic, key, sequence, digest, 0
    FROM records WHERE topic = :topic
      AND NOT EXISTS (SELECT FROM unclaimed WHERE unclaimed.event_id = records.event_id)
      AND NOT EXISTS (SELECT FROM findings WHERE kind = 'phantom' AND subject = records.event_id::text)
    ON CONFLICT DO NOTHING
""")
FORGET_RECORDS = text("DELETE FROM records WHERE topic = :topic")
FORGET_UNREAD = text("DELETE FROM unread WHERE topic = :topic")
FORGET_UNCLAIMED = text("DELETE FROM unclaimed WHERE topic = :topic")
FORGET_POSITIONS = text("DELETE FROM positions WHERE topic = :topic")
FIND_MADE_ANEW = text("""
    INSERT INTO findings (kind, subject, detail)
    SELECT 'topic-made-anew', topic_id, jsonb_build_object('topic', topic, 'topic_id', topic_id)
    FROM positions WHERE topic = :topic
    ON CONFLICT DO NOTHING
""")

# ── what a round found

# Known before: in an earlier round, or at a lower place in this one. Two questions, each with a plan of its
# own: joined by OR they were answered row by row.
MARK_REPEATS = text("""
    UPDATE arrivals SET is_repeat = true FROM (
        SELECT arrivals.ctid AS place FROM arrivals JOIN records USING (event_id)
        UNION
        SELECT place FROM (
            SELECT ctid AS place, row_number() OVER (
                PARTITION BY event_id ORDER BY topic, partition, "offset") AS number
            FROM arrivals WHERE event_id IS NOT NULL
        ) AS numbered WHERE number > 1
    ) AS repeats WHERE arrivals.ctid = repeats.place
""")
FIND_REPEATS = text("""
    INSERT INTO findings (kind, subject, detail)
    SELECT 'repeated', concat_ws('/', event_id, topic, partition, "offset"), jsonb_build_object(
        'event_id', event_id, 'topic', topic, 'partition', partition, 'offset', "offset", 'key', key,
        'source', source, 'appended_at', appended_at)
    FROM arrivals WHERE is_repeat
    ON CONFLICT DO NOTHING
""")
# The same id, and not the same event: a repeat must say what the first said, under the same key.
FIND_ALTERED_REPEATS = text("""
    INSERT INTO findings (kind, subject, detail)
    SELECT DISTINCT ON (a.event_id) 'altered', a.event_id::text, jsonb_build_object(
        'event_id', a.event_id, 'topic', a.topic, 'partition', a.partition, 'offset', a."offset",
        'first_topic', r.topic, 'first_partition', r.partition, 'first_offset', r."offset")
    FROM arrivals a JOIN records r ON r.event_id = a.event_id
    WHERE a.is_repeat AND (a.key, a.digest) <> (r.key, r.digest)
    ON CONFLICT DO NOTHING
""")
KEEP_RECORDS = text("""
    INSERT INTO records (event_id, topic, partition, "offset", key, sequence, source, digest, appended_at)
    SELECT event_id, topic, partition, "offset", key, sequence, source, digest, appended_at
    FROM arrivals WHERE event_id IS NOT NULL
""")
# Within a topic, a key's events stand in one partition, in the order of their numbers. Of two that do not,
# the one that came too late is told: it is the one that somebody may have sent again.
FIND_REORDERED = text("""
    INSERT INTO findings (kind, subject, detail)
    SELECT DISTINCT ON (a.event_id) 'reordered', a.event_id::text, jsonb_build_object(
        'event_id', a.event_id, 'topic', a.topic, 'key', a.key, 'source', a.source,
        'partition', a.partition, 'offset', a."offset", 'sequence', a.sequence,
        'other_partition', r.partition, 'other_offset', r."offset", 'other_sequence', r.sequence,
        'appended_at', a.appended_at)
    FROM arrivals a
    JOIN records r ON r.key = a.key AND r.topic = a.topic AND r.source = a.source
                  AND r.event_id <> a.event_id
    WHERE NOT a.is_repeat
      AND NOT EXISTS (SELECT FROM arrivals x WHERE x.is_repeat
                      AND (x.topic, x.partition, x."offset") = (r.topic, r.partition, r."offset"))
      AND (r.partition <> a.partition OR (r."offset" < a."offset" AND r.sequence >= a.sequence))
    ON CONFLICT DO NOTHING
""")
# No outbox gives its rows another kind of id, so nobody can have written this.
FIND_STRAYS = text("""
    INSERT INTO findings (kind, subject, detail)
    SELECT 'phantom', concat_ws('/', topic, partition, "offset"), jsonb_build_object(
        'topic', topic, 'partition', partition, 'offset', "offset", 'key', key, 'source', source)
    FROM arrivals WHERE event_id IS NULL
    ON CONFLICT DO NOTHING
""")

AWAIT_WRITTEN = text("""
    INSERT INTO awaited (event_id, service, topic, key, sequence, digest, noted_lsn)
    SELECT event_id, service, topic, key, sequence, digest, noted_lsn FROM written
    ON CONFLICT DO NOTHING
""")
COUNT_DAYS = text("""
    INSERT INTO days (service, day, written)
    SELECT service, (coalesce(uuid_extract_timestamp(event_id), clock_timestamp()) AT TIME ZONE 'UTC')::date,
           count(*) FROM written
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (service, day) DO UPDATE SET written = days.written + excluded.written
""")
CLAIM_LATER = text("""
    INSERT INTO unclaimed (event_id, topic, partition, "offset", source)
    SELECT DISTINCT ON (event_id) event_id, topic, partition, "offset", source FROM arrivals
    WHERE event_id IS NOT NULL AND NOT is_repeat
    ON CONFLICT DO NOTHING
""")
# Whatever is new on either side may have found its other half. The topic is part of the digest. Each id is
# looked up by itself, its first record alone, so that no plan reads all records.
MATCH = text("""
    WITH news AS (
        SELECT event_id FROM written UNION SELECT event_id FROM arrivals WHERE event_id IS NOT NULL
    ), found AS (
        SELECT news.event_id, record.* FROM news CROSS JOIN LATERAL (
            SELECT topic AS found_in, partition, "offset", key, digest FROM records
            WHERE records.event_id = news.event_id ORDER BY appended_at, "offset" LIMIT 1) AS record
    ), met AS (
        DELETE FROM awaited USING found WHERE awaited.event_id = found.event_id
        RETURNING awaited.event_id, awaited.topic, awaited.key, found_in, partition, "offset",
                  (awaited.key, awaited.digest) = (found.key, found.digest) AS agrees
    ), claimed AS (
        DELETE FROM unclaimed USING met WHERE unclaimed.event_id = met.event_id
    ), wrong AS (
        INSERT INTO findings (kind, subject, detail)
        SELECT 'altered', event_id::text, jsonb_build_object(
            'event_id', event_id, 'topic', topic, 'found_in', found_in, 'partition', partition,
            'offset', "offset", 'key', key)
        FROM met WHERE NOT agrees
        ON CONFLICT DO NOTHING
    )
    INSERT INTO unread (event_id, consumer, topic, partition, "offset", key)
    SELECT event_id, reader.consumer, met.topic, partition, "offset", key
    FROM met JOIN unnest(CAST(:topics AS text[]), CAST(:consumers AS text[]))
        AS reader (topic, consumer) ON reader.topic = met.topic
    ON CONFLICT DO NOTHING
""")

# What is sent again is to be read where it is now.
FOLLOW_REPEATS = text("""
    UPDATE unread SET partition = arrivals.partition, "offset" = arrivals."offset" FROM arrivals
    WHERE arrivals.is_repeat AND unread.event_id = arrivals.event_id AND unread.topic = arrivals.topic
""")

# ── phantoms

UNCLAIMED = text("SELECT event_id, source FROM unclaimed ORDER BY noted_at LIMIT :most")
FIND_PHANTOMS = text("""
    WITH gone AS (
        DELETE FROM unclaimed WHERE event_id = ANY(CAST(:ids AS uuid[])) RETURNING *
    )
    INSERT INTO findings (kind, subject, detail)
    SELECT 'phantom', event_id::text, jsonb_build_object('event_id', event_id, 'topic', topic,
        'partition', partition, 'offset', "offset", 'source', source) FROM gone
    ON CONFLICT DO NOTHING
""")

# ── lost, unread, gaps

FIND_LOST = text("""
    UPDATE awaited SET lost_at = clock_timestamp()
    WHERE lost_at IS NULL AND service = :service AND noted_lsn <= :confirmed
      AND topic = ANY(CAST(:topics AS text[]))
""")
# What is known to be skipped comes last: it must not keep what is newer from being looked at.
UNREAD = text("""
    SELECT event_id, topic, partition, "offset",
           noted_at NOT BETWEEN clock_timestamp() - interval '5 seconds' AND clock_timestamp() AS is_old
    FROM unread WHERE consumer = :consumer ORDER BY skipped_at IS NOT NULL, noted_at LIMIT :most
""")
SEEN_BY = text("""
    DELETE FROM unread WHERE consumer = :consumer AND event_id = ANY(CAST(:ids AS uuid[]))
""")
FIND_SKIPPED = text("""
    UPDATE unread SET skipped_at = clock_timestamp()
    WHERE consumer = :consumer AND skipped_at IS NULL AND event_id = ANY(CAST(:ids AS uuid[]))
""")

# The numbers of every key that a round touched, and of those that had a gap before. What is still
# awaited is not missing but late, and is told as such. An order's id is of the day it was placed: where no
# record of that day is kept any more, the order's first numbers are forgotten with it.
FIND_GAPS = text("""
    WITH touched AS (
        SELECT source, key FROM arrivals WHERE event_id IS NOT NULL AND source = ANY(CAST(:sources AS text[]))
        UNION SELECT source, key FROM gaps
    ), placed AS (
        SELECT source, key, (extract(epoch FROM date_trunc('day', uuid_extract_timestamp(
            CASE WHEN pg_input_is_valid(key, 'uuid') THEN key::uuid END), 'UTC')) * 1000)::bigint AS day
        FROM touched
    ), counted AS (
        SELECT placed.source, placed.key,
               (SELECT count(DISTINCT sequence) = max(sequence) - CASE
                    WHEN min(sequence) > 1 AND placed.day IS NOT NULL AND NOT EXISTS (
                        SELECT FROM records AS of_day WHERE of_day.event_id BETWEEN
                            (lpad(to_hex(placed.day), 12, '0') || repeat('0', 20))::uuid AND
                            (lpad(to_hex(placed.day + 86399999), 12, '0') || repeat('f', 20))::uuid)
                    THEN min(sequence) - 1 ELSE 0 END
                FROM records
                WHERE records.key = placed.key AND records.source = placed.source) AS is_whole
        FROM placed
    ), closed AS (
        DELETE FROM gaps USING counted WHERE (gaps.source, gaps.key) = (counted.source, counted.key)
            AND counted.is_whole IS NOT FALSE
    )
    INSERT INTO gaps (source, key) SELECT source, key FROM counted WHERE is_whole IS FALSE
    ON CONFLICT DO NOTHING
""")
