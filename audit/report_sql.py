"""What a report counts: open rows only, so that its cost does not follow history."""

from sqlalchemy import text

# Below this, an event is under way.
LATE_SECONDS = 30
# For longer than that; or from a time that the clock was set back from, and nobody knows for how long.
_FOR_LONG = (
    "NOT BETWEEN clock_timestamp() - make_interval(secs => :late_seconds)"
    " AND clock_timestamp() + interval '1 second'"
)
# What a recovery explains is counted up to here, so that a report's cost does not follow history.
EXPLAINED_MAX = 10_000

# Each answers with (subject, count of all): as many subjects as a report shows, and how many there are.
LOST = text("SELECT event_id::text, count(*) OVER () FROM awaited WHERE lost_at IS NOT NULL LIMIT :most")
SKIPPED = text("SELECT event_id::text, count(*) OVER () FROM unread WHERE skipped_at IS NOT NULL LIMIT :most")
# By the time in its id, when it was written: to an auditor that comes back after a while everything is new.
# Where an id tells no time, by when it was noted.
# A record whose row is not known yet, for an open transaction keeps it from being read, is late too.
LATE = text(f"""
    SELECT event_id::text, count(*) OVER () FROM (
        SELECT event_id, noted_at FROM awaited WHERE lost_at IS NULL
        UNION ALL
        SELECT event_id, noted_at FROM unread WHERE skipped_at IS NULL
        UNION ALL
        SELECT event_id, noted_at FROM unclaimed
    ) AS open
    WHERE least(noted_at, uuid_extract_timestamp(event_id)) {_FOR_LONG}
    GROUP BY event_id LIMIT :most
""")  # noqa: S608 - a constant of this file
UNDER_WAY = text("SELECT (SELECT count(*) FROM awaited) + (SELECT count(*) FROM unread)")
OPEN_FINDINGS = text("""
    SELECT kind, subject, detail, total FROM (
        SELECT kind, subject, detail, count(*) OVER (PARTITION BY kind) AS total,
               row_number() OVER (PARTITION BY kind ORDER BY found_at) AS place
        FROM findings WHERE explained_by IS NULL
    ) AS numbered WHERE place <= :most ORDER BY kind, place
""")
# A number that is awaited is late or lost, and told as that.
GAPS = text(f"""
    SELECT source || ' ' || key, count(*) OVER () FROM gaps
    WHERE noted_at {_FOR_LONG}
      AND NOT EXISTS (
          SELECT FROM awaited WHERE awaited.key = gaps.key AND '/' || awaited.service = gaps.source)
    LIMIT :most
""")  # noqa: S608 - as above
# Seen to be wrong for longer than a command that is on its way could need.
DOUBLED = text(f"""
    SELECT order_id, count(*) OVER () FROM unsettled
    WHERE suspect_since {_FOR_LONG} AND problem = 'an effect was had twice'
    ORDER BY suspect_since LIMIT :most
""")  # noqa: S608 - as above
UNSETTLED = text(f"""
    SELECT order_id || ' (' || problem || ')', count(*) OVER () FROM unsettled
    WHERE suspect_since {_FOR_LONG}
      AND problem NOT IN ('an effect was had twice', 'a dead letter of it waits')
    ORDER BY suspect_since LIMIT :most
""")  # noqa: S608 - as above
CHECKED = text("SELECT coalesce(sum(written), 0)::bigint FROM days")
RECOVERIES = text("""
    SELECT id, kind, services, topics, done_by, reason, done_at, (
        SELECT count(*) FROM (
            SELECT FROM findings WHERE explained_by = newest.id LIMIT :explained_max
        ) AS explained
    ) AS explains
    FROM (SELECT * FROM recoveries ORDER BY id DESC LIMIT :most) AS newest
    ORDER BY id DESC
""")
STORE = text("""
    INSERT INTO report (id, began_at, body) VALUES (1, :began_at, CAST(:body AS jsonb))
    ON CONFLICT (id) DO UPDATE
    SET began_at = excluded.began_at, ended_at = clock_timestamp(), body = excluded.body
""")
NEWEST = text("""
    SELECT body, began_at, ended_at, clock_timestamp() AS now FROM report
""")
