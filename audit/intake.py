"""Taking in a round's news, and letting outbox rows and records meet."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable

from audit import books_sql, sql
from audit.sources import Helping
from audit.topics import Arrival
from contracts.services import SERVICES
from contracts.topics import CANARY, MESSAGE_TOPICS

FINAL_TOPICS = ("order-completed", "order-failed")
READERS = [(topic.name, reader) for topic in MESSAGE_TOPICS for reader in topic.readers]
SOURCES = [f"/{service.name}" for service in SERVICES]

_ARRIVAL = ("text", "int8", "int8", "uuid", "text", "int8", "text", "bytea", "timestamptz")
_WRITTEN = ("uuid", "text", "text", "text", "int8", "bytea", "int8")

_PARAMETERS: dict[Executable, dict[str, Any]] = {
    sql.MATCH: {"topics": [topic for topic, _ in READERS], "consumers": [reader for _, reader in READERS]},
    sql.FIND_GAPS: {"sources": SOURCES},
    books_sql.TOUCH_ORDERS: {"final": list(FINAL_TOPICS), "canary": CANARY.name},
}
_STEPS: tuple[Executable, ...] = (
    sql.MARK_REPEATS,
    sql.FIND_REPEATS,
    sql.KEEP_RECORDS,
    sql.FIND_ALTERED_REPEATS,
    sql.FIND_REORDERED,
    sql.FIND_STRAYS,
    sql.AWAIT_WRITTEN,
    sql.COUNT_DAYS,
    sql.CLAIM_LATER,
    sql.FOLLOW_REPEATS,
    *_PARAMETERS,
)


def take_in(connection: Connection, arrivals: Sequence[Arrival], helpings: Mapping[str, Helping]) -> None:
    """Store what was read, note what is wrong with it by itself, and where to go on reading the outboxes."""
    # A statement prepared in an idle round has a plan for no rows, which takes N² steps for many.
    driver: Any = connection.connection.driver_connection
    driver.prepare_threshold = None
    rows: list[tuple[Any, ...]] = [
        (a.topic, a.partition, a.offset, a.event_id, a.key, a.sequence, a.source, a.digest, a.appended_at)
        for a in arrivals
    ]
    _copy(connection, sql.COPY_ARRIVALS, _ARRIVAL, rows)
    for service, helping in helpings.items():
        rows = [
            (r.id, service, r.topic, r.key, r.sequence, r.digest, helping.noted_lsn) for r in helping.rows
        ]
        _copy(connection, sql.COPY_WRITTEN, _WRITTEN, rows)
        connection.execute(sql.SET_OUTBOX_MARK, {"service": service, "mark": helping.mark})
    for step in _STEPS:
        connection.execute(step, _PARAMETERS.get(step))


def forget_topic(connection: Connection, topic: str) -> None:
    """A topic was deleted and made anew: what it held is awaited in the new one."""
    for statement in (
        sql.FIND_MADE_ANEW,
        sql.AWAIT_AGAIN,
        sql.FORGET_RECORDS,
        sql.FORGET_UNREAD,
        sql.FORGET_UNCLAIMED,
        sql.FORGET_POSITIONS,
    ):
        connection.execute(statement, {"topic": topic})


def _copy(
    connection: Connection, statement: str, types: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
