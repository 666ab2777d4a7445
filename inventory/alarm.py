"""The alarm for stock that nobody asks for any more: seen and told, never guessed at.

A reservation is ended by its saga. One whose saga is gone would keep its units for ever; whether it may be
released is for a person to say, because the saga may only be late.
"""

import threading
import time
from collections.abc import Mapping

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from inventory import queries

LOOK_EVERY_SECONDS = 10.0
TELL_EVERY_SECONDS = 60.0

log = structlog.get_logger(__name__)


class ReservationAlarm:
    """Looks for stock that has been reserved for longer than a saga takes."""

    def __init__(self, older_than_seconds: int) -> None:
        self._older_than_seconds = older_than_seconds
        self._told_at = float("-inf")
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
                wanted = {"older_than_seconds": self._older_than_seconds}
                found = connection.execute(queries.FORGOTTEN_RESERVATIONS, wanted).one()
        except SQLAlchemyError as error:
            log.warning("reservations could not be looked at", reason=type(error).__name__)
            return
        self._warnings = {"reservations": self._describe(found.number)} if found.number else {}
        if found.number:
            self._tell(found.number, str(found.oldest))

    def _tell(self, count: int, oldest: str) -> None:
        """Once a minute, however often it is looked at."""
        if time.monotonic() - self._told_at >= TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            log.error("reservations are forgotten", reason=self._describe(count), count=count, oldest=oldest)

    def _describe(self, count: int) -> str:
        return f"{count} reserved for more than {self._older_than_seconds} s"
