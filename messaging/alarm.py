"""An alarm: a look at the database every few seconds, for what only a person can mend. It only tells."""

import threading
import time
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

LOOK_EVERY_SECONDS = 5.0
TELL_EVERY_SECONDS = 60.0

log = structlog.get_logger(__name__)

# What is wrong, by subject, in words that say what to do; empty when all is well.
Find = Callable[[Connection], Mapping[str, str]]


class Alarm:
    """What `find` finds is a warning of the process, and at most a line a minute in its log."""

    def __init__(self, find: Find, *, quiet_seconds: float = 0.0) -> None:
        """For the first `quiet_seconds` after a start nothing is logged: signs of life are on their way."""
        self._find = find
        self._told_at = time.monotonic() - TELL_EVERY_SECONDS + quiet_seconds
        self._warnings: Mapping[str, str] = {}

    def run(self, engine: Engine, stop: threading.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            self.look(engine)
            stop.wait(LOOK_EVERY_SECONDS)

    def warnings(self) -> Mapping[str, str]:
        """What the last look found; empty when all is well."""
        return self._warnings

    def look(self, engine: Engine) -> None:
        """One look; a database that fails leaves what the last one found."""
        try:
            with engine.begin() as connection:
                self._warnings = self._find(connection)
        except SQLAlchemyError as error:
            log.warning("the alarm could not look", reason=type(error).__name__)
            return
        if self._warnings and time.monotonic() - self._told_at >= TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            log.error("a person is needed", **self._warnings)
