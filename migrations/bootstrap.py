"""What stands before every history: roles with passwords, and the databases. Once per cluster.

Roles belong to the cluster, not to a database, so no history makes them. Safe to repeat: a role keeps
the password that its secret file holds.
"""

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
        for service in SERVICES:
            for duty in DUTIES:
                _make_role(connection, service.role(duty), _ATTRIBUTES.get(duty, "LOGIN"), folder)
        for role in (AUDITOR_ROLE, AUDIT.role("migrator")):
            _make_role(connection, role, "LOGIN", folder)
        for owner in (*SERVICES, AUDIT):
            _make_database(connection, owner)
    for owner in (*SERVICES, AUDIT):
        keep_apart(admin_engine(admin.url, owner.database), owner)


def keep_apart(admin: Engine, service: Service) -> None:
    """Let the service's roles, and no others, reach the database that `admin` is connected to."""
    database = sql.Identifier(admin.url.database or service.database)
    duties = ("migrator",) if service is AUDIT else DUTIES
    roles = [sql.Identifier(service.role(duty)) for duty in duties] + [sql.Identifier(AUDITOR_ROLE)]
    with admin.connect() as connection:
        _run(connection, sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        _run(connection, sql.SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
        names = sql.SQL(", ").join(roles)
        _run(connection, sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, names))
        if service is AUDIT:
            writer = sql.Identifier(AUDITOR_ROLE)
            _run(connection, sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, writer))
        _run(connection, sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(names))
        migrator = sql.Identifier(service.role("migrator"))
        _run(connection, sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(migrator))
        _run(connection, sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, migrator))
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
