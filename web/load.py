"""Refusing work early when there is too much of it: 503 before anything is written.

Two signs count, and no others. More requests at once than may take threads: the rest stay free for reads,
health and cancelling. And WAL that a relay has not read, close to where Postgres would drop it: then every
further order may cost events. How long ago a relay was heard of is no sign: the outbox is there for that.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from runtime import redaction
from web import sql
from web.operations import Trait
from web.problems import Problem

log = structlog.get_logger(__name__)

SHED = Trait(problems={503: "Too much is being done at once, or too many events wait for a relay."})

# As a rule they share a transaction, and hold no connection while they wait for it.
PLACING_MAX = 48
WAL_SHARE_MAX = 0.85
WAL_LOOKUP_SECONDS = 1.0


class WalPressure:
    """How much of the WAL that slots may hold back is held back; looked up at most once a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._asking = threading.Lock()
        self._next = 0.0
        self._share: float | None = None

    def is_high(self) -> bool:
        """One thread asks, and the others go on with what was found last."""
        if time.monotonic() >= self._next and self._asking.acquire(blocking=False):
            try:
                self._share = self._ask()
                self._next = time.monotonic() + WAL_LOOKUP_SECONDS
            finally:
                self._asking.release()
        return is_high(self._share)

    def _ask(self) -> float | None:
        try:
            with self._engine.connect() as connection:
                share: float | None = connection.execute(sql.WAL_SHARE).scalar()
        except SQLAlchemyError as error:
            log.warning("held-back WAL is not known", reason=redaction.explain(error))
            return None
        return share


class Load:
    """Lets so many requests in at once, and none while WAL is short."""

    def __init__(self, wal: WalPressure, most: int = PLACING_MAX) -> None:
        self._wal = wal
        self._places = threading.BoundedSemaphore(most)

    @contextmanager
    def admission(self) -> Iterator[Problem | None]:
        """The problem to answer with, or None with a place that is kept until the end."""
        if self._wal.is_high():
            yield _too_much("Events wait for a relay, and there is little room left for more.", 10, 30)
        elif self._places.acquire(blocking=False):
            try:
                yield None
            finally:
                self._places.release()
        else:
            yield _too_much("As many orders as can be are being placed.", 1, 5)


def is_high(share: float | None) -> bool:
    """Whether to refuse; what is not known, or not bounded, refuses nothing."""
    return share is not None and share >= WAL_SHARE_MAX


def _too_much(why: str, least: int, most: int) -> Problem:
    """Callers come back at different times, so that they do not come together again."""
    seconds = random.randint(least, most)  # noqa: S311 - jitter, not a secret
    return Problem(503, f"{why} Nothing was changed; try again.", headers={"Retry-After": str(seconds)})
