"""Deadlines: the clock's part in a saga, by the database's time, in any number of processes at once.

No unanswered command is sent again because time has passed: the outbox delivers. A deadline that passes
turns the saga round, or calls for a person. It passes only while the relays in between keep beating.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from messaging.errors import MomentaryFault, is_messages_own
from runtime import redaction, trace
from runtime.lookback import LookBack
from runtime.waiting import Backoff
from saga import advance, sql
from saga.heartbeats import STALE_SECONDS
from saga.metrics import DEADLINES
from saga.orchestrator import Happening, Orchestrator
from saga.records import Loaded
from saga.state import SagaStatus

log = structlog.get_logger(__name__)

SAGAS_PER_TURN = 100
TURN_SECONDS = 1.0
# What is found late for it waits for an answer since long before, or tries again in any case: these may be
# rarer than an executor's.
WHOLE_LOOK_SECONDS = 15.0
# What only a newer release can move is passed by for so long: a hundred of them, the oldest that are due,
# would be all that a turn ever claims.
PASSED_BY_SECONDS = 60.0
_DATABASE = Backoff(first_seconds=0.5, most_seconds=5.0)


@dataclass(frozen=True, slots=True)
class Clock:
    """Which relays must be beating, and how many sagas the clock may move in a minute, all together."""

    relays: tuple[str, ...]
    moved_per_minute_max: int = 600


class Deadlines:
    """Looks at the clock once a second, until it is asked to stop."""

    def __init__(
        self, engine: Engine, orchestrator: Orchestrator, clock: Clock, stop: threading.Event
    ) -> None:
        self._engine = engine
        self._orchestrator = orchestrator
        self._clock = clock
        self._stop = stop
        self._look_back = LookBack(WHOLE_LOOK_SECONDS)
        self._passed_by: dict[UUID, float] = {}
        self._turned_at = time.monotonic()

    def problems(self) -> dict[str, str]:
        """Why this process is not ready; empty when it is."""
        silent = time.monotonic() - self._turned_at
        return {"database": f"no turn was finished for {silent:.0f} s"} if silent > 30 else {}

    def run(self) -> None:
        """Until stopped. A database that fails is waited for."""
        failures = 0
        while not self._stop.is_set():
            try:
                moved = self.turn()
            except (DBAPIError, MomentaryFault) as error:
                log.warning("the deadlines are looked at again", reason=redaction.explain(error))
                self._stop.wait(_DATABASE.pause(failures))
                failures += 1
                continue
            failures, self._turned_at = 0, time.monotonic()
            if not moved:
                self._stop.wait(TURN_SECONDS)

    def turn(self) -> int:
        """The one place where what the clock brings is committed; answers with how many sagas were moved.

        Where one of them cannot be moved, each is moved by itself, and the culprit is left to people; one
        that a newer release has begun is left to it.
        """
        due: list[UUID] = []
        try:
            with self._engine.begin() as connection:
                if is_any_due(connection, self._look_back):
                    due = claim(connection, self._clock, self._still_passed_by())
                moved = elapse(self._orchestrator, connection, due)
        except Exception as error:
            if not (isinstance(error, MomentaryFault) or is_messages_own(error)):
                raise
            moved = sum(self._move_alone(saga_id) for saga_id in due)
        DEADLINES.labels("moved").inc(moved)
        return moved

    def _still_passed_by(self) -> list[UUID]:
        now = time.monotonic()
        self._passed_by = {saga_id: until for saga_id, until in self._passed_by.items() if until > now}
        return list(self._passed_by)

    def _move_alone(self, saga_id: UUID) -> int:
        try:
            with self._engine.begin() as connection:
                minute, left = allowance(connection, self._clock)
                self._orchestrator.lock(connection, [saga_id])
                moved = elapse(self._orchestrator, connection, [saga_id] if left else [])
                connection.execute(sql.SPEND_MINUTE, {"minute": minute, "moved": moved})
                return moved
        except MomentaryFault as error:
            self._passed_by[saga_id] = time.monotonic() + PASSED_BY_SECONDS
            reason = redaction.explain(error)
            log.warning("a saga cannot be moved just now", saga_id=str(saga_id), reason=reason)
            return 0
        except Exception as error:
            if not is_messages_own(error):
                raise
            log.exception("a saga cannot be moved", saga_id=str(saga_id))
            reason = redaction.explain(error).splitlines()[0][:500]
            with self._engine.begin() as connection:
                connection.execute(sql.SET_ASIDE, {"id": saga_id, "reason": reason})
            DEADLINES.labels("set-aside").inc()
            return 0


def is_any_due(connection: Connection, look_back: LookBack) -> bool:
    """Whether a saga's time has come; while one's has, looks come no further."""
    found = connection.execute(sql.IS_ANY_DUE, {"back_seconds": look_back.begin()}).scalar_one()
    if not found:
        look_back.end()
    return bool(found)


def allowance(connection: Connection, clock: Clock) -> tuple[datetime, int]:
    """The minute, which is ours until the transaction ends, and how many sagas may still be moved in it."""
    minute = connection.execute(sql.TAKE_MINUTE).one()
    return minute.minute, max(0, clock.moved_per_minute_max - minute.moved)


def claim(connection: Connection, clock: Clock, passed_by: Sequence[UUID]) -> list[UUID]:
    """Sagas whose time has come, but for those, locked, as many as the minute still allows."""
    minute, left = allowance(connection, clock)
    wanted = {
        "relays": list(clock.relays),
        "stale_seconds": STALE_SECONDS,
        "passed_by": list(passed_by),
        "limit": min(SAGAS_PER_TURN, left),
    }
    due = list(connection.execute(sql.CLAIM_DUE, wanted).scalars())
    connection.execute(sql.SPEND_MINUTE, {"minute": minute, "moved": len(due)})
    return due


def elapse(orchestrator: Orchestrator, connection: Connection, due: Sequence[UUID]) -> int:
    """Move sagas that are locked and due, in the caller's transaction; answers with how many."""
    if not due:
        return 0
    loaded = orchestrator.read(connection, due)
    happenings = [each for saga in loaded.values() if (each := _happening(orchestrator, saga))]
    orchestrator.move(connection, happenings)
    return len(happenings)


def _happening(orchestrator: Orchestrator, loaded: Loaded) -> Happening | None:
    move = advance.elapse(orchestrator.definition(loaded), loaded.state, loaded.now)
    if move is None:
        return None
    again = move.state.cause == loaded.state.cause and move.state.status is not SagaStatus.NEEDS_ATTENTION
    kind = "again" if again else "expired"
    trace_id = trace.trace_id(loaded.traceparent)
    log.warning("a saga's time has come", saga_id=str(loaded.state.saga_id), trace_id=trace_id, kind=kind)
    return Happening.of(loaded, move, kind)
