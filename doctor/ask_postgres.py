"""What Postgres says of itself, of one service's database, and of a history. Reads only, and cannot write."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

from sqlalchemy import URL, Connection, Row

from connect.doctor import PUBLISHED
from contracts.services import SERVICES, Service
from doctor import sql
from doctor.facts import Database, Grant, Oddity, Override, Publication, Role, Server
from runtime.database import connect_engine

# The tables that what is promised rests on; in these an event stands, or what became of one.
CARRYING = PUBLISHED | {"inbox"}


@contextmanager
def reading(url: URL) -> Iterator[Connection]:
    """A connection whose transactions cannot write. Raises SQLAlchemyError where there is none within 5 s."""
    engine = connect_engine(url, process="doctor", connections=1)
    try:
        with engine.connect().execution_options(postgresql_readonly=True) as connection:
            yield connection
    finally:
        engine.dispose()


def server(url: URL, settings: Collection[str]) -> Server:
    """The cluster behind `url`, with those of the settings that it knows."""
    with reading(url) as connection:
        ours = [service.slot for service in SERVICES]
        told = connection.execute(sql.READ_SERVER, {"ours": ours}).one()
        known = connection.execute(sql.READ_SETTINGS, {"names": sorted(settings)}).all()
        return Server(
            version=told.version,
            settings={row.name: row.value for row in known},
            pending=frozenset(row.name for row in known if row.pending_restart),
            slot_keep_mb=told.keep_mb,
            foreign_slots=told.foreign_slots,
            roles={row.rolname: _role(row) for row in connection.execute(sql.READ_ROLES)},
            overrides=tuple(Override(*row) for row in connection.execute(sql.READ_OVERRIDES)),
            clock_ahead=_clock_ahead(connection),
        )


def _clock_ahead(connection: Connection) -> float:
    """Half of the question's time is taken for its way there."""
    before = time.time()
    told: float = connection.execute(sql.READ_CLOCK).scalar_one()
    return told - (before + time.time()) / 2


def _role(row: Row[Any]) -> Role:
    return Role(
        is_superuser=row.rolsuper,
        may_replicate=row.rolreplication,
        may_make_roles=row.rolcreaterole,
        may_make_databases=row.rolcreatedb,
        passes_row_security=row.rolbypassrls,
        groups=frozenset(row.groups),
    )


def database(url: URL, service: Service) -> Database:
    """A service's database: who may do what in it, and what is on the tables that events stand in."""
    with reading(url) as connection:
        owners = connection.execute(sql.READ_OWNERS).all()
        migrator = service.role("migrator")
        oddities = connection.execute(sql.READ_ODDITIES, {"tables": sorted(CARRYING)})
        return Database(
            grants=frozenset(Grant(*row) for row in connection.execute(sql.READ_GRANTS)),
            owned={row.object: row.owner for row in owners if row.owner != migrator},
            tables=frozenset(row.object for row in owners if row.is_table),
            publication=_publication(connection, service),
            oddities=frozenset(Oddity(*row) for row in oddities),
            days=_days(connection),
            today=connection.execute(sql.READ_TODAY).scalar_one(),
        )


def _publication(connection: Connection, service: Service) -> Publication | None:
    row = connection.execute(sql.READ_PUBLICATION, {"publication": service.publication}).one_or_none()
    if row is None:
        return None
    kinds = ("insert", "update", "delete", "truncate")
    return Publication(
        tables=frozenset(row.tables),
        kinds=frozenset(kind for kind in kinds if getattr(row, f"pub{kind}")),
        is_by_root=row.pubviaroot,
        narrowed=frozenset(row.narrowed),
    )


def _days(connection: Connection) -> Mapping[str, frozenset[date]]:
    found = defaultdict(set)
    for parent, day in connection.execute(sql.READ_DAYS):
        found[parent].add(day)
    return {parent: frozenset(days) for parent, days in found.items()}


def revision(url: URL) -> str:
    """The revision that a database stands at; empty where no history was ever begun."""
    with reading(url) as connection:
        if not connection.execute(sql.HAS_HISTORY).scalar_one():
            return ""
        found: str | None = connection.execute(sql.READ_REVISION).scalar_one_or_none()
        return found or ""
