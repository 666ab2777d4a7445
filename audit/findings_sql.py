"""Statements on findings and what explains them, each with its reason."""

from sqlalchemy import text

OPEN_FINDINGS = text("""
    SELECT kind, subject, detail ->> 'event_id' AS event_id, detail ->> 'source' AS source FROM findings
    WHERE explained_by IS NULL AND kind IN ('repeated', 'reordered') ORDER BY found_at LIMIT :most
""")
# Rows in the replay table are recoveries too, whoever wrote them; told once for each who and why, where no
# repair has told it, as of
# when it was seen: `created_at` there is when the event was first written.
NOTE_REPLAY = text("""
    INSERT INTO recoveries (kind, services, topics, done_by, reason)
    SELECT 'replay', ARRAY[CAST(:service AS text)], '{}', :done_by, :reason
    WHERE NOT EXISTS (
        SELECT FROM recoveries WHERE kind IN ('repair', 'replay') AND :service = ANY(services)
        AND done_by = :done_by AND reason = :reason)
""")
_BY_THIS_ACT = """(
    SELECT id FROM recoveries WHERE kind IN ('repair', 'replay') AND :service = ANY(services)
    AND done_by = :done_by AND reason = :reason ORDER BY id DESC LIMIT 1)"""
# Each row of the replay table accounts for one place more of its event and for no other: those that were
# explained before have used up theirs. A finding's subject begins with the event's id, and its key is sorted.
EXPLAIN_REPEATS = text(f"""
    WITH sent AS (
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:numbers AS bigint[])) AS sent (event_id, number)
    ), repeats AS (
        SELECT event_id, findings.subject, findings.explained_by, row_number() OVER (
            PARTITION BY event_id ORDER BY findings.explained_by IS NULL, found_at, findings.subject
        ) AS number
        FROM (SELECT DISTINCT event_id FROM sent) AS wanted
        JOIN findings ON findings.kind = 'repeated'
             AND findings.subject > event_id || '/' AND findings.subject < event_id || '0'
        LEFT JOIN recoveries ON recoveries.id = findings.explained_by
        WHERE recoveries.id IS NULL OR recoveries.kind IN ('repair', 'replay')
    )
    UPDATE findings SET explained_by = {_BY_THIS_ACT} FROM repeats JOIN sent USING (event_id, number)
    WHERE findings.kind = 'repeated' AND findings.subject = repeats.subject AND findings.explained_by IS NULL
""")  # noqa: S608 - a constant of this file
# What was lost and is sent again comes behind what was written after it.
EXPLAIN_PLACES = text(f"""
    UPDATE findings SET explained_by = {_BY_THIS_ACT}
    WHERE explained_by IS NULL AND kind = 'reordered' AND subject = ANY(CAST(:ids AS text[]))
""")  # noqa: S608 - as above
# A relay that was set back sends some of what it had sent before, within the hour in which somebody did it.
EXPLAIN_BY_RECOVERY = text("""
    UPDATE findings SET explained_by = recoveries.id FROM recoveries
    WHERE findings.explained_by IS NULL AND findings.kind IN ('repeated', 'reordered')
      AND recoveries.kind = ANY(CAST(:kinds AS text[]))
      AND ltrim(findings.detail ->> 'source', '/') = ANY(recoveries.services)
      AND CAST(findings.detail ->> 'appended_at' AS timestamptz)
          BETWEEN recoveries.done_at - interval '1 hour' AND recoveries.done_at + interval '2 minutes'
""")
# Whoever repairs after that has been told of it.
EXPLAIN_SET_BACK = text("""
    UPDATE findings SET explained_by = recoveries.id FROM recoveries
    WHERE findings.explained_by IS NULL AND findings.kind = 'set-back' AND recoveries.kind = 'repair'
      AND findings.detail ->> 'service' = ANY(recoveries.services)
      AND recoveries.done_at > findings.found_at
""")
EXPLAIN_TOPICS = text("""
    UPDATE findings SET explained_by = recoveries.id FROM recoveries
    WHERE findings.explained_by IS NULL AND findings.kind = 'topic-made-anew'
      AND findings.detail ->> 'topic' = ANY(recoveries.topics)
      AND recoveries.done_at > findings.found_at - interval '1 hour'
""")
