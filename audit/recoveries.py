"""What people did to the relays, kept where the auditor looks for explanations."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, text

_RECORD = text("""
    INSERT INTO recoveries (kind, services, topics, done_by, reason)
    VALUES (:kind, :services, :topics, :done_by, :reason)
""")

# What services have sent that is neither in its topic nor known to be lost, of what was there before. While
# their outboxes cannot be read on, nobody knows.
_UNDECIDED = text("""
    SELECT (SELECT count(*) FROM awaited
            WHERE lost_at IS NULL AND noted_at < :before AND service = ANY(CAST(:services AS text[])))
         + (SELECT count(*) FROM report
            WHERE began_at < :before OR body -> 'held_up' ?| CAST(:services AS text[]))
""")
NOW = text("SELECT clock_timestamp()")


@dataclass(frozen=True, slots=True)
class Recovery:
    """Something that was done to the relays of some services, or to some topics: by whom, and why."""

    kind: str
    services: Sequence[str]
    topics: Sequence[str]
    done_by: str
    reason: str


def record(connection: Connection, done: Recovery) -> None:
    """Keep it; what an event was found twice for, or late, may be explained by it."""
    connection.execute(
        _RECORD, {**asdict(done), "services": list(done.services), "topics": list(done.topics)}
    )


def is_decided(connection: Connection, before: object, services: Sequence[str]) -> bool:
    """Whether the auditor has found or given up all that services had written before a time of its clock."""
    asked = {"before": before, "services": list(services)}
    return bool(connection.execute(_UNDECIDED, asked).scalar_one() == 0)
