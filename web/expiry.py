"""Cleaning up after keys and limits: what has expired goes, a bounded batch at a time."""

from sqlalchemy import Engine, TextClause

from web import sql

BATCH_ROWS = 500
BATCHES_MAX = 20


def delete_expired(engine: Engine) -> int:
    """Delete expired keys and idle clients; how many rows went. What is left goes the next time."""
    return _delete(engine, sql.DELETE_EXPIRED_KEYS) + _delete(engine, sql.DELETE_IDLE_CLIENTS)


def _delete(engine: Engine, statement: TextClause) -> int:
    deleted = 0
    for _ in range(BATCHES_MAX):
        with engine.begin() as connection:
            rows = connection.execute(statement, {"most": BATCH_ROWS}).rowcount
        deleted += rows
        if rows < BATCH_ROWS:
            break
    return deleted
