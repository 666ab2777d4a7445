"""What every history makes for the auditor: rows tell which transaction wrote them.

Ids are not in the order of commits: a row with an older id may appear after one with a newer. Whoever
follows a table goes by transactions instead, and not past the oldest that is still open
(https://www.postgresql.org/docs/current/functions-info.html, `pg_snapshot_xmin`).
"""

from collections.abc import Sequence

from alembic import op

from contracts.services import Service

# The default is not volatile, so old rows get the migration's own transaction without being rewritten.
_UP = """
ALTER TABLE {table} ADD COLUMN xact bigint NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint;
CREATE INDEX ix_{table}_xact ON {table} (xact);
"""

_DOWN = """
ALTER TABLE {table} DROP COLUMN xact;
"""

# Whoever sends an event again copies its row, inside the database.
_GRANT = "GRANT SELECT ON outbox TO {repair}"
_REVOKE = "REVOKE SELECT ON outbox FROM {repair}"


def make_auditable(service: Service, tables: Sequence[str]) -> None:
    """Let each row of the tables, old and new, tell its transaction; and let a repair read what it sends."""
    for table in tables:
        op.execute(_UP.format(table=table))
    op.execute(_GRANT.format(repair=service.role("repair")))


def undo(service: Service, tables: Sequence[str]) -> None:
    op.execute(_REVOKE.format(repair=service.role("repair")))
    for table in tables:
        op.execute(_DOWN.format(table=table))
