"""What the databases say, asked as the auditor. Reads only, and cannot write."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, Row

from audit import report
from audit import sql as audit_sql
from audit.sources import Source
from connect import progress
from contracts.services import SERVICES, Service
from contracts.topics import read_by, written_by
from messaging.dead_letters import QUEUED, STRAY
from monitor import sql
from monitor.filling import Filling
from monitor.readings import Audit, Database, Intents, Sagas, Slot, Waiting
from payment.models import Operation
from saga.state import FINAL, SagaStatus

_AWAITED = [(service.name, topic) for service in SERVICES for topic in written_by(service.name)]
_UNREAD = [(service.name, topic) for service in SERVICES for topic in read_by(service.name)]
_INTENTS = [(str(operation), state) for operation in Operation for state in ("waiting", "leased", "unknown")]
_STATUSES = [str(status) for status in SagaStatus if status not in FINAL]
# What a report counts, each with how many and the first of them.
_FINDINGS = ("lost", "late", "skipped", "duplicated", "repeated", "reordered", "phantom", "altered")


def audit(engine: Engine) -> Audit:
    """The auditor's newest round, and what is under way."""
    with reading(engine) as connection:
        body, began_at = report.newest(connection)
        now = connection.execute(audit_sql.NOW).scalar_one()
        return Audit(
            verdict=body["verdict"],
            reasons=body["reasons"],
            age_seconds=(now - began_at).total_seconds() if began_at else None,
            checked=body.get("checked", 0),
            invariants={each["name"]: each["verdict"] != "red" for each in body.get("invariants", ())},
            findings={kind: body[kind]["count"] for kind in _FINDINGS if kind in body},
            awaited=_pairs(_AWAITED, connection.execute(sql.READ_AWAITED)),
            unread=_pairs(_UNREAD, connection.execute(sql.READ_UNREAD)),
        )


def database(engine: Engine, service: Service, filling: Filling, now: float) -> Database:
    """A service's relay as its database sees it, and the letters that wait there."""
    days_ahead = Source(service, engine).days_ahead()
    with reading(engine) as connection:
        sight = progress.look(connection, service)
        room = connection.execute(sql.READ_ROOM, {"slot": service.slot}).one()
        return Database(
            slot=_slot(sight, room, filling, now) if sight.wal_status else None,
            beat_seconds=sight.beat_age,
            days_ahead=days_ahead,
            dead_letters=_pairs(
                [(service.name, QUEUED), (service.name, STRAY)], connection.execute(sql.READ_LETTERS)
            ),
        )


def sagas(engine: Engine) -> Sagas:
    """Every saga that has not ended, and the clock that moves them."""
    with reading(engine) as connection:
        statuses = {row.status: _waiting(row) for row in connection.execute(sql.READ_STATUSES)}
        return Sagas(
            by_status=dict.fromkeys(_STATUSES, Waiting()) | statuses,
            by_step=_pairs((), connection.execute(sql.READ_STEPS)),
            overdue_seconds=connection.execute(sql.READ_OVERDUE).scalar_one() or 0.0,
            heard_seconds={row.relay: row.age for row in connection.execute(sql.READ_HEARD)},
        )


def intents(engine: Engine) -> Intents:
    """Every call to the gateway whose result is not stored."""
    with reading(engine) as connection:
        return _pairs(_INTENTS, connection.execute(sql.READ_INTENTS))


def reading(engine: Engine) -> Connection:
    """A connection whose transactions cannot write."""
    return engine.connect().execution_options(postgresql_readonly=True)


def _slot(sight: progress.Sight, room: Row[Any], filling: Filling, now: float) -> Slot:
    flushed = sight.flushed if sight.flushed is not None else sight.written
    return Slot(
        active=sight.active,
        wal_status=sight.wal_status or "lost",
        lag_bytes=max(sight.written - flushed, 0),
        retained_bytes=max(sight.retained, 0),
        keep_bytes=room.keep,
        safe_bytes=room.safe,
        seconds_to_full=filling.seconds_to_full(now, sight.retained, room.safe),
    )


def _pairs(expected: Iterable[tuple[str, str]], rows: Iterable[Any]) -> dict[tuple[str, str], Waiting]:
    """What waits, by its first two columns, with a zero for what is expected and does not."""
    return dict.fromkeys(expected, Waiting()) | {(row[0], row[1]): _waiting(row) for row in rows}


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(row.number, max(row.oldest, 0.0))
