"""The third revision of the mechanism in every history: which transaction wrote a row.

Ids are not in the order of commits: a row with an older id may appear after one with a newer. Whoever
follows a table goes by transactions instead, and not past the oldest that is still open
(https://www.postgresql.org/docs/current/functions-info.html, `pg_snapshot_xmin`).
"""

from collections.abc import Sequence

from alembic import op

# The default is not volatile, so old rows get the migration's own transaction without being rewritten.
_UP = """
ALTER TABLE {table} ADD COLUMN xact bigint NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint;
CREATE INDEX ix_{table}_xact ON {table} (xact);
"""

_DOWN = """
ALTER TABLE {table} DROP COLUMN xact;
"""

def note_transactions(tables: Sequence[str]) -> None:
    """Let each row of the tables, old and new, tell its transaction."""
    for table in tables:
        op.execute(_UP.format(table=table))


def forget_transactions(tables: Sequence[str]) -> None:
    for table in tables:
        op.execute(_DOWN.format(table=table))
