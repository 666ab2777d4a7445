"""What stands before every history: roles with passwords, and the databases. Once per cluster.

Roles belong to the cluster, not to a database, so no history makes them. Safe to repeat: a role keeps
the password that its secret file holds.
"""

from collections.abc import Iterator
from pathlib import Path

from psycopg import sql
from sqlalchemy import Connection, Engine, text

from contracts.services import AUDIT, AUDITOR_ROLE, DUTIES, SERVICES, Service
from migrations.database import admin_engine
from runtime.secrets import secret

# Each duty's own attributes: only the relay may read the log of changes.
_ATTRIBUTES = {"relay": "LOGIN REPLICATION"}
_ROLE_EXISTS = text("SELECT 1 FROM pg_roles WHERE rolname = :name")
_DATABASE_EXISTS = text("SELECT 1 FROM pg_database WHERE datname = :name")


def bootstrap(admin: Engine, folder: Path) -> None:
    """Make every role and every database that is missing."""
    with admin.connect() as connection:
        for role, attributes in roles():
            _make_role(connection, role, attributes, folder)
        for owner in (*SERVICES, AUDIT):
            _make_database(connection, owner)
    for owner in (*SERVICES, AUDIT):
        keep_apart(admin_engine(admin.url, owner.database), owner)


def roles() -> Iterator[tuple[str, str]]:
    """Every role, with its attributes."""
    for service in SERVICES:
        for duty in DUTIES:
            yield service.role(duty), _ATTRIBUTES.get(duty, "LOGIN")
    for role in (AUDITOR_ROLE, AUDIT.role("migrator")):
        yield role, "LOGIN"


def reach(service: Service) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """All that roles may do with a database as such: (privilege, DATABASE or SCHEMA, roles)."""
    migrator = service.role("migrator")
    every = (migrator, AUDITOR_ROLE) if service is AUDIT else (*map(service.role, DUTIES), AUDITOR_ROLE)
    yield "CONNECT", "DATABASE", every
    yield "USAGE", "SCHEMA", every
    if service is AUDIT:
        yield "TEMPORARY", "DATABASE", (AUDITOR_ROLE,)
    for what in ("SCHEMA", "DATABASE"):
        yield "CREATE", what, (migrator,)


def keep_apart(admin: Engine, service: Service) -> None:
    """Let the service's roles, and no others, reach the database that `admin` is connected to."""
    places = {
        "DATABASE": sql.Identifier(admin.url.database or service.database),
        "SCHEMA": sql.Identifier("public"),
    }
    with admin.connect() as connection:
        for what, place in places.items():
            _run(connection, sql.SQL("REVOKE ALL ON {} {} FROM PUBLIC").format(sql.SQL(what), place))
        for privilege, what, names in reach(service):
            grantees = sql.SQL(", ").join(map(sql.Identifier, names))
            statement = sql.SQL("GRANT {} ON {} {} TO {}").format(
                sql.SQL(privilege), sql.SQL(what), places[what], grantees
            )
            _run(connection, statement)
    admin.dispose()


def _make_role(connection: Connection, role: str, attributes: str, folder: Path) -> None:
    verb = "ALTER" if connection.execute(_ROLE_EXISTS, {"name": role}).first() else "CREATE"
    statement = sql.SQL("{} ROLE {} {} PASSWORD {}").format(
        sql.SQL(verb), sql.Identifier(role), sql.SQL(attributes), sql.Literal(secret(folder, role))
    )
    _run(connection, statement)


def _make_database(connection: Connection, service: Service) -> None:
    if connection.execute(_DATABASE_EXISTS, {"name": service.database}).first() is None:
        owner = sql.Identifier(service.role("migrator"))
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(service.database), owner)
        _run(connection, statement)


def _run(connection: Connection, statement: sql.Composed | sql.SQL) -> None:
    """Psycopg quotes the names and literals; a DDL statement takes no parameters."""
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    cursor.close()
