"""Statements about a database that was set back, each with its reason."""

from sqlalchemy import text

KNOWN = text("SELECT outbox_mark, identity FROM sources WHERE service = :service")
SET_IDENTITY = text("""
    INSERT INTO sources (service, identity) VALUES (:service, :identity)
    ON CONFLICT (service) DO UPDATE SET identity = excluded.identity
""")
FIND_SET_BACK = text("""
    INSERT INTO findings (kind, subject, detail)
    SELECT 'set-back', :service || ' ' || clock_timestamp()::text,
           jsonb_build_object('service', CAST(:service AS text), 'reason', CAST(:reason AS text))
""")

# Rows that it awaited may be gone; those that are there are read again.
_MARKS = text("UPDATE sources SET outbox_mark = 0, ledger_mark = 0 WHERE service = :service")
_DAYS = text("DELETE FROM days WHERE service = :service")
_AWAITED = text("DELETE FROM awaited WHERE service = :service")
# What it has told is met once more, as far back as topics keep it: what it knows nothing of is a phantom.
_CLAIM_AGAIN = text("""
    INSERT INTO unclaimed (event_id, topic, partition, "offset", source)
    SELECT DISTINCT ON (event_id) event_id, topic, partition, "offset", source FROM records
    WHERE source = '/' || :service
      AND appended_at > clock_timestamp() - make_interval(secs => :kept_ms / 1000.0)
      AND NOT EXISTS (SELECT FROM findings WHERE kind = 'phantom' AND subject = records.event_id::text)
    ON CONFLICT DO NOTHING
""")
# Its inbox is as old as its outbox, while its group's position in the topics is not.
_SEE_AGAIN = text("""
    INSERT INTO unread (event_id, consumer, topic, partition, "offset", key)
    SELECT DISTINCT ON (event_id) event_id, :service, topic, partition, "offset", key FROM records
    WHERE topic = ANY(CAST(:reads AS text[]))
      AND appended_at > clock_timestamp() - make_interval(secs => :kept_ms / 1000.0)
      AND NOT EXISTS (SELECT FROM findings WHERE kind = 'phantom' AND subject = records.event_id::text)
    ORDER BY event_id, appended_at DESC
    ON CONFLICT DO NOTHING
""")
FORGET = (_MARKS, _DAYS, _AWAITED, _CLAIM_AGAIN, _SEE_AGAIN)
FORGET_STOCK = text("DELETE FROM stock_sums")
