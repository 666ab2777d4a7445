"""Cleaning up after keys and limits: what has expired goes."""

from sqlalchemy import Engine

from messaging.chores import delete_in_batches
from web import sql


def delete_expired(engine: Engine) -> int:
    """Delete expired keys and idle clients, not all at once; how many rows went."""
    return delete_in_batches(engine, sql.DELETE_EXPIRED_KEYS) + delete_in_batches(
        engine, sql.DELETE_IDLE_CLIENTS
    )
