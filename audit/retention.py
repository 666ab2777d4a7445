"""Lets days of outbox and inbox go that everybody has seen: `python -m audit.retention`.

A day goes when the auditor has met every event of it, topics have forgotten it, and no dead letter of it
waits in any service: it is in the inbox there, so that for the auditor it was seen.
The owner's function in each database looks once more, under a lock, and refuses what the auditor has not
counted. A day that may not go yet is told, and asked for again in an hour.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy import URL, Engine, Row, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from audit.keeping import Day, is_old, reasons_to_keep
from audit.report import is_current
from contracts.services import SERVICES, Service
from runtime import redaction
from runtime.database import DatabaseLimits, connect_engine, database_url
from runtime.environment import Environment
from runtime.health import serve_health
from runtime.logs import configure
from runtime.stopping import stop_requested
from runtime.waiting import Backoff

EVERY_SECONDS = 3600.0
# When a database was away.
AGAIN_SECONDS = 60.0
# To count a day takes a while.
_LIMITS = DatabaseLimits(statement_ms=600_000, whole_tables=True)
# The function waits 0.2 s for its lock, so that nobody waits long behind it.
_TRIES = Backoff(attempts=8, first_seconds=0.5, most_seconds=10)

# By name: `outbox_p20261124` is the day of its ids.
_PARTITIONS = text("""
    SELECT below.relname AS name, to_date(right(below.relname, 8), 'YYYYMMDD') AS day,
           clock_timestamp() AS now
    FROM pg_inherits JOIN pg_class below ON below.oid = inhrelid JOIN pg_class above ON above.oid = inhparent
    WHERE above.relname IN ('outbox', 'inbox') AND below.relkind = 'r' ORDER BY 1
""")
_DROP = text("SELECT drop_partition(:name, :confirmed)")

# Ids begin with their time in milliseconds, so a day is a range of them.
_OF_DAY = """BETWEEN
    (lpad(to_hex((extract(epoch FROM CAST(:day AS date)::timestamp) * 1000)::bigint), 12, '0')
     || repeat('0', 20))::uuid
    AND (lpad(to_hex((extract(epoch FROM (CAST(:day AS date) + 1)::timestamp) * 1000)::bigint - 1), 12, '0')
     || repeat('f', 20))::uuid"""
_FACTS = text(f"""
    SELECT (SELECT count(*) FROM awaited WHERE event_id {_OF_DAY}) AS awaited,
           (SELECT count(*) FROM unread WHERE event_id {_OF_DAY}) AS unread,
           (SELECT count(*) FROM findings WHERE explained_by IS NULL AND detail ->> 'event_id' IS NOT NULL
            AND CAST(detail ->> 'event_id' AS uuid) {_OF_DAY}) AS findings,
           (SELECT max(appended_at) FROM records WHERE event_id {_OF_DAY}) AS last_appended
""")  # noqa: S608 - the range's text is a constant
_LETTERS = text(f"""
    SELECT count(*) FROM dead_letters WHERE settled_at IS NULL AND event_id {_OF_DAY}
""")  # noqa: S608 - as above
_COUNTED = text("SELECT coalesce(max(written), 0) FROM days WHERE service = :service AND day = :day")
_DAYS = text("SELECT DISTINCT day FROM days WHERE day < CAST(:first AS date) ORDER BY day")
# In parts, each of which is committed: one transaction of a whole day would hold WAL back for every slot.
_FORGET = text(f"""
    DELETE FROM records WHERE event_id IN (
        SELECT event_id FROM records WHERE event_id {_OF_DAY} ORDER BY event_id LIMIT :most)
""")  # noqa: S608 - as above
_FORGOTTEN_AT_ONCE = 10_000

log = structlog.get_logger(__name__)


class Retention:
    """One look at every partition after another."""

    def __init__(self, audit: Engine, databases: Mapping[Service, Engine]) -> None:
        self._audit = audit
        self._databases = databases

    def look(self) -> list[str]:
        """Drop what may go; answers with the names, and tells of what is old and must stay."""
        gone, kept = list[str](), set[date]()
        for service, engine in self._databases.items():
            for partition in _partitions(engine):
                if self._may_go(service, partition) and self._drop(service, engine, partition):
                    gone.append(f"{service.name}.{partition.name}")
                else:
                    kept.add(partition.day)
        self._forget(kept)
        return gone

    def _may_go(self, service: Service, partition: Row[Any]) -> bool:
        if not is_old(partition.day, partition.now):
            return False
        with self._audit.connect() as connection:
            facts = connection.execute(_FACTS, {"day": partition.day}).one()
            is_audited = is_current(connection)
        known = (facts.awaited, facts.unread, facts.findings, facts.last_appended)
        day = Day(partition.day, *known, self._letters(partition.day))
        reasons = reasons_to_keep(day, partition.now, is_audited=is_audited)
        if reasons:
            log.warning("an old day stays", service=service.name, partition=partition.name, reasons=reasons)
        return not reasons

    def _letters(self, day: date) -> dict[str, int]:
        """How many dead letters of the day wait, whoever wrote the events; by service."""
        waiting = {}
        for service, engine in self._databases.items():
            with engine.connect() as connection:
                waiting[service.name] = connection.execute(_LETTERS, {"day": day}).scalar_one()
        return {name: count for name, count in waiting.items() if count}

    def _drop(self, service: Service, engine: Engine, partition: Row[Any]) -> bool:
        with self._audit.connect() as connection:
            of = {"service": service.name, "day": partition.day}
            counted = connection.execute(_COUNTED, of).scalar_one()
        told = {"service": service.name, "partition": partition.name}
        for pause in _TRIES:
            problem = _try(engine, partition.name, counted)
            if problem is None:
                log.info("a day has gone", **told, events=counted)
                return True
            if not isinstance(problem, LockNotAvailable):
                break
            threading.Event().wait(pause)
        log.warning("an old day stays", **told, reasons=[str(problem)])
        return False

    def _forget(self, kept: set[date]) -> None:
        """The records of days that are gone everywhere: no topic has them any more.

        Whenever the days went: a look that was cut short is gone on with by the next one.
        """
        with self._audit.connect() as connection:
            days = list(connection.execute(_DAYS, {"first": max(kept, default=date.min)}).scalars())
        for day in (each for each in days if each not in kept):
            forgotten = _FORGOTTEN_AT_ONCE
            while forgotten >= _FORGOTTEN_AT_ONCE:
                with self._audit.begin() as connection:
                    part = {"day": day, "most": _FORGOTTEN_AT_ONCE}
                    forgotten = connection.execute(_FORGET, part).rowcount


def main() -> None:
    environment = Environment()
    audit = database_url(environment, "AUDIT_DATABASE_URL")
    urls = {each: database_url(environment, f"{each.name.upper()}_DATABASE_URL") for each in SERVICES}
    bind = environment.bind("HEALTH_BIND")
    environment.check()
    configure("retention")
    stop = stop_requested()
    retention = Retention(_engine(audit), {each: _engine(url) for each, url in urls.items()})
    health = serve_health(bind, dict)
    while not stop.is_set():
        stop.wait(EVERY_SECONDS if _look(retention) else AGAIN_SECONDS)
    health.shutdown()


def _look(retention: Retention) -> bool:
    """Whether there was an answer from every database."""
    try:
        retention.look()
    except SQLAlchemyError as error:
        log.warning("days could not be looked at", reason=redaction.explain(error).partition("\n")[0])
        return False
    return True


def _try(engine: Engine, name: str, counted: int) -> BaseException | None:
    """What the database has against it."""
    try:
        with engine.begin() as connection:
            connection.execute(_DROP, {"name": name, "confirmed": counted})
    except DBAPIError as error:
        return error.orig
    return None


def _partitions(engine: Engine) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(_PARTITIONS).all()


def _engine(url: URL) -> Engine:
    return connect_engine(url, process="retention", connections=1, limits=_LIMITS)


if __name__ == "__main__":
    main()
