"""Repair: what is missing is sent again under its own id, by whoever may, and on record. It never guesses.

The row is copied from the outbox into `outbox_replay`, which the same connector relays; a consumer that
has seen the event knows it by its id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from audit.recoveries import Recovery, record
from runtime.errors import NeverlostError

# Two repairs at once would send everything twice: harmless, and yet not what either meant.
_ONLY_ONE = text("SELECT pg_try_advisory_xact_lock(hashtext('audit repair'))")

_MISSING = text("""
    SELECT service, event_id, topic, key, 'lost' AS why, sequence FROM awaited WHERE lost_at IS NOT NULL
    UNION ALL
    SELECT DISTINCT ON (unread.event_id) ltrim(records.source, '/'), unread.event_id, unread.topic,
           unread.key, 'not seen by ' || consumer, records.sequence
    FROM unread JOIN records USING (event_id) WHERE skipped_at IS NOT NULL
    ORDER BY service, key, sequence
""")

# Within a key in the order in which it was written.
_SEND_AGAIN = text("""
    INSERT INTO outbox_replay (id, aggregatetype, aggregateid, type, payload, topic, sequence, source,
                               saga_id, traceparent, created_at, requested_by, reason)
    SELECT id, aggregatetype, aggregateid, type, payload, topic, sequence, source, saga_id,
           traceparent, created_at, :done_by, :reason
    FROM outbox WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY aggregateid, sequence
""")
# A day's rows go with its partition; what is gone cannot be sent, and stays lost.
_STILL_THERE = text("SELECT id FROM outbox WHERE id = ANY(CAST(:ids AS uuid[]))")
_NOW_AT = text("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")

# Awaited anew, from where the copy was written. The record to be seen is not known yet, so it lies ahead.
_AWAIT_ANEW = text("""
    UPDATE awaited SET lost_at = NULL, noted_lsn = :lsn, noted_at = clock_timestamp()
    WHERE event_id = ANY(CAST(:ids AS uuid[]))
""")
_EXPECT_ANEW = text("""
    UPDATE unread SET skipped_at = NULL, noted_at = clock_timestamp(), "offset" = 9223372036854775807
    WHERE event_id = ANY(CAST(:ids AS uuid[])) AND skipped_at IS NOT NULL
""")


_NOT_THERE = text("""
    SELECT (SELECT count(*) FROM awaited WHERE event_id = ANY(CAST(:ids AS uuid[])))
         + (SELECT count(*) FROM unread WHERE event_id = ANY(CAST(:ids AS uuid[])))
""")

_MADE_ANEW = text("""
    SELECT DISTINCT detail ->> 'topic' FROM findings
    WHERE kind = 'topic-made-anew' AND explained_by IS NULL ORDER BY 1
""")


_SET_BACK = text("""
    SELECT DISTINCT detail ->> 'service' FROM findings
    WHERE kind = 'set-back' AND explained_by IS NULL ORDER BY 1
""")


class RepairBusy(NeverlostError):  # noqa: N818 - it says what happened
    """Another repair is at work."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An event that is not where it must be, and why one knows."""

    service: str
    event_id: UUID
    topic: str
    key: str
    why: str


def missing(connection: Connection) -> list[Missing]:
    """What the auditor found lost, or passed by a consumer; in the order in which it would be sent."""
    rows = connection.execute(_MISSING)
    return [Missing(row.service, row.event_id, row.topic, row.key, row.why) for row in rows]


def made_anew(connection: Connection) -> list[str]:
    """The topics that were deleted and made again, and that nobody has accounted for yet."""
    return list(connection.execute(_MADE_ANEW).scalars())


def set_back(connection: Connection) -> list[str]:
    """The services whose database was restored or replaced, and that nobody has accounted for yet."""
    return list(connection.execute(_SET_BACK).scalars())


def send_again(audit: Engine, repairs: Mapping[str, Engine], done_by: str, reason: str) -> list[Missing]:
    """Send everything that is missing and that an outbox still has, and await it anew; answers with that.

    With that a topic that was made anew has what it had, as far as it was found missing, and a database that
    was set back is accounted for: it is on record.

    `repairs` are the services' databases as their repair roles. Raises RepairBusy. When interrupted, what
    was sent and is still held for lost is sent once more by the next repair.
    """
    with audit.begin() as connection:
        if not connection.execute(_ONLY_ONE).scalar_one():
            raise RepairBusy("another repair is at work")
        found = missing(connection)
        sent = set[UUID]()
        for service in sorted({each.service for each in found}):
            wanted = [each.event_id for each in found if each.service == service]
            ids, lsn = _copy(repairs[service], wanted, done_by, reason)
            connection.execute(_AWAIT_ANEW, {"ids": ids, "lsn": lsn})
            connection.execute(_EXPECT_ANEW, {"ids": ids})
            sent.update(ids)
        _keep(connection, found, done_by, reason)
    return [each for each in found if each.event_id in sent]


def has_come(connection: Connection, sent: Sequence[Missing]) -> bool:
    """Whether all that was sent again is in its topic, and was seen by all who must see it."""
    ids = [each.event_id for each in sent]
    return bool(connection.execute(_NOT_THERE, {"ids": ids}).scalar_one() == 0)


def _keep(connection: Connection, found: Sequence[Missing], done_by: str, reason: str) -> None:
    topics = made_anew(connection)
    services = sorted({each.service for each in found} | set(set_back(connection)))
    if topics or services:
        record(connection, Recovery("repair", services, topics, done_by, reason))


def _copy(engine: Engine, wanted: Sequence[UUID], done_by: str, reason: str) -> tuple[list[UUID], int]:
    """What was copied, and a place in the WAL at or behind the commit of the copies."""
    with engine.begin() as connection:
        ids = list(connection.execute(_STILL_THERE, {"ids": list(wanted)}).scalars())
        connection.execute(_SEND_AGAIN, {"ids": ids, "done_by": done_by, "reason": reason})
    with engine.connect() as connection:
        return ids, int(connection.execute(_NOW_AT).scalar_one())
