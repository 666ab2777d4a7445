"""Partitions of outbox and inbox, made ahead of time by whoever works on the database."""

import time

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from messaging import sql

DAYS_AHEAD = 8
_EVERY_SECONDS = 3600.0

log = structlog.get_logger(__name__)


class PartitionKeeper:
    """Makes the days ahead, once an hour. A failure is told and tried again: there are days to spare."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._due_at = 0.0

    def keep(self) -> None:
        if 0 < self._due_at - time.time() <= _EVERY_SECONDS:  # more than that: the clock was set back
            return
        self._due_at = time.time() + _EVERY_SECONDS  # the wall clock goes on while a machine sleeps
        try:
            with self._engine.begin() as connection:
                connection.execute(sql.MAKE_PARTITIONS, {"days_ahead": DAYS_AHEAD})
        except DBAPIError as error:
            log.warning("partitions could not be made", reason=str(error.orig))
