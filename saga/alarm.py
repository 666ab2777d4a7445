"""The alarm for sagas that need a person, and for a clock that stands still. It only tells."""

import threading
import time
from collections.abc import Mapping

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from saga import sql
from saga.deadlines import Clock
from saga.heartbeats import STALE_SECONDS

LOOK_EVERY_SECONDS = 5.0
TELL_EVERY_SECONDS = 60.0
QUIET_SECONDS = 20.0  # after a start: the first heartbeats are on their way

log = structlog.get_logger(__name__)


class SagaAlarm:
    """Looks every few seconds; what it finds is a warning of the process, and a line a minute in its log."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_at = time.monotonic() - TELL_EVERY_SECONDS + QUIET_SECONDS
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
        wanted = {"relays": list(self._clock.relays), "stale_seconds": STALE_SECONDS}
        try:
            with engine.begin() as connection:
                stuck = connection.execute(sql.STUCK_SAGAS).one()
                silent = list(connection.execute(sql.SILENT_RELAYS, wanted).scalars())
        except SQLAlchemyError as error:
            log.warning("sagas could not be looked at", reason=type(error).__name__)
            return
        found = {}
        if stuck.number:
            found["sagas"] = f"{stuck.number} need attention, the oldest {stuck.oldest}: ./run sagas list"
        if silent:
            found["deadlines"] = f"none passes: no sign of life of {', '.join(silent)}"
        self._warnings = found
        self._tell(found)

    def _tell(self, found: Mapping[str, str]) -> None:
        """Once a minute, however often it is looked at."""
        if found and time.monotonic() - self._told_at >= TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            log.error("sagas need attention", **found)
