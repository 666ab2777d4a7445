"""The parts of the system, asked side by side and within a bound: who is away hides only what it knows."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import requests
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from connect.health import ConnectorStatus
from runtime.errors import NeverlostError

SECONDS_MAX = 3.0
_AWAY = (SQLAlchemyError, NeverlostError, requests.RequestException, TimeoutError)

# What everybody calls the one part that is no database.
CONNECT = "Kafka Connect"

Question = Callable[[], Any]
Statuses = Callable[[], Mapping[str, ConnectorStatus]]  # the question of how Kafka Connect is


@dataclass(frozen=True, slots=True)
class Answers:
    """What was found, by the question's name, and why the other questions have no answer."""

    found: Mapping[str, Any]
    away: Mapping[str, str]

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.found.get(name, otherwise)


class Parts:
    """The databases that may be looked into, by name, and room for `at_once` questions at the same time.

    A database that is frozen keeps the thread of each of its connections until it goes on: there must be
    room beside those.
    """

    def __init__(self, engines: Mapping[str, Engine], at_once: int) -> None:
        self._engines = engines
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="ask")

    def database(self, name: str, read: Callable[..., Any], *what: Any) -> Question:
        """The question that `read` puts to a database, with a connection first and then `what`."""

        def ask() -> Any:
            with self._engines[name].connect() as connection:
                return read(connection, *what)

        return ask

    def ask(self, questions: Mapping[str, Question], *, seconds: float = SECONDS_MAX) -> Answers:
        """All at once. Raises what is a fault of ours; a part that is away, or slow, is told as that."""
        asked = {name: self._pool.submit(question) for name, question in questions.items()}
        wait(asked.values(), timeout=seconds)
        found, away = {}, {}
        for name, future in asked.items():
            try:
                found[name] = _answer(future, seconds)
            except _AWAY as error:
                away[name] = _in_words(error)
        return Answers(found, away)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def parts_away(*asked: Answers) -> dict[str, str]:
    """Why each part that was asked has no answer, by the part in words; of the first round that tells."""
    return {
        name if name == CONNECT else f"the {name} database": why
        for each in reversed(asked)
        for name, why in each.away.items()
    }


def rows(connection: Connection, statement: Any, values: Mapping[str, Any]) -> list[Any]:
    return list(connection.execute(statement, values))


def _answer(future: Future[Any], seconds: float) -> Any:
    if not future.done():
        future.cancel()  # one that waits for its turn need not be asked any more
        raise TimeoutError(f"no answer within {seconds:g} s")
    return future.result()


def _in_words(error: Exception) -> str:
    """One line, without what a driver says about where it tried to connect."""
    if isinstance(error, SQLAlchemyError):
        return f"it does not answer ({type(getattr(error, 'orig', None) or error).__name__})"
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
