"""Every action is kept, who did what, when, and what came of it: begun before it is done, completed after.

Where it cannot be kept nothing is done.
"""

from collections.abc import Callable
from dataclasses import dataclass

import requests
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dashboard import queries
from runtime import redaction
from runtime.errors import NeverlostError

log = structlog.get_logger(__name__)

DONE, REFUSED, FAILED = "done", "refused", "failed"
RESULT_MAX = 500
# What is told to whoever pressed the button; anything else is a fault of ours.
_EXPECTED = (NeverlostError, SQLAlchemyError, requests.RequestException)


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody wants to be done to what, and why."""

    actor: str
    action: str
    target: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    outcome: str
    result: str

    @property
    def is_good(self) -> bool:
        return self.outcome == DONE


def carry_out(engine: Engine, action: Action, do: Callable[[], str]) -> Done:
    """Do it, on record. Raises SQLAlchemyError, with nothing done, where it cannot be written down."""
    with engine.begin() as connection:
        number: int = connection.execute(queries.BEGIN_ACTION, _values(action)).scalar_one()
    try:
        done = _tried(do)
    except BaseException as error:
        _end(engine, number, Done(FAILED, type(error).__name__))
        raise
    _end(engine, number, done)
    return done


def _tried(do: Callable[[], str]) -> Done:
    try:
        return Done(DONE, do()[:RESULT_MAX])
    except NeverlostError as error:
        return Done(REFUSED, str(error)[:RESULT_MAX])
    except _EXPECTED as error:
        log.warning("an action failed", reason=redaction.explain(error))
        return Done(FAILED, f"{type(error).__name__}: what it came to is not known")


def _end(engine: Engine, number: int, done: Done) -> None:
    """An end that cannot be written is told in the log: the action itself was done."""
    try:
        with engine.begin() as connection:
            asked = {"id": number, "outcome": done.outcome, "result": done.result}
            connection.execute(queries.END_ACTION, asked)
    except SQLAlchemyError:
        log.exception("an action's end was not kept", action=number, outcome=done.outcome)


def _values(action: Action) -> dict[str, str | None]:
    return {name: getattr(action, name) for name in ("actor", "action", "target", "note")}
