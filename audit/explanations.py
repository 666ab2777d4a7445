"""Why an event may stand in a topic twice, or late: somebody has sent it again, or set a relay back."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from audit import findings_sql as sql
from audit.sources import Source

OPEN_MAX = 5_000
# What sets a relay back behind what it had sent: it goes on from what its slot has confirmed. After other
# recoveries it goes on from where it was, or further on. The names are those under which they are kept.
SETS_BACK = ("offsets-lost", "offsets-ahead")


def look_for(connection: Connection, sources: Mapping[str, Source]) -> None:
    """Put to every finding that is open the recovery that accounts for it, where there is one."""
    connection.execute(sql.EXPLAIN_TOPICS)
    connection.execute(sql.EXPLAIN_SET_BACK)
    if not connection.execute(sql.OPEN_FINDINGS, {"most": 1}).first():
        return
    connection.execute(sql.EXPLAIN_BY_RECOVERY, {"kinds": list(SETS_BACK)})
    for service, ids in _open_by_service(connection.execute(sql.OPEN_FINDINGS, {"most": OPEN_MAX})).items():
        if service in sources:
            _explain_replayed(connection, service, sources[service].replayed(ids))


def _open_by_service(rows: Iterable[Row[Any]]) -> dict[str, list[UUID]]:
    found: dict[str, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.source.lstrip("/"), []).append(UUID(row.event_id))
    return found


def _explain_replayed(connection: Connection, service: str, replayed: Iterable[Row[Any]]) -> None:
    by_act: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in replayed:
        by_act.setdefault((row.requested_by, row.reason), []).append(row)
    for (done_by, reason), rows in by_act.items():
        act = {"service": service, "done_by": done_by, "reason": reason}
        connection.execute(sql.NOTE_REPLAY, act)
        sent = {"ids": [str(row.id) for row in rows], "numbers": [row.number for row in rows]}
        for statement in (sql.EXPLAIN_REPEATS, sql.EXPLAIN_PLACES):
            connection.execute(statement, {**act, **sent})
