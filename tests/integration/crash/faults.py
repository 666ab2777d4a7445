"""Crash points: every moment at which a process can end, counted as they pass; one of them strikes.

Points are not typed anywhere: each statement, commit, gateway call and offset commit passes `Points` before
and after it happens, and a run without a fault tells how many there are.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from sqlalchemy import Engine, event

MODES = ("exception", "connection drop", "kill -9")


class Struck(Exception):  # noqa: N818 - what happened
    """The process was hit by an exception of no database's making."""


@dataclass
class Points:
    """Counts what passes; strikes at number `strike_at` (from 1), if there is one."""

    mode: str = ""
    strike_at: int = 0
    passed: list[str] = field(default_factory=list)

    def arm(self, mode: str, strike_at: int) -> None:
        """Count anew."""
        self.mode, self.strike_at, self.passed = mode, strike_at, []

    def hit(self, what: str, connection: psycopg.Connection | None = None) -> None:
        self.passed.append(what)
        if len(self.passed) != self.strike_at:
            return
        match self.mode:
            case "kill -9":
                os.kill(os.getpid(), signal.SIGKILL)
            case "connection drop" if connection is not None:
                connection.pgconn.finish()
            case _:
                raise Struck(what)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """A step outside the database."""
        self.hit(f"before {what}")
        yield
        self.hit(f"after {what}")

    def watch(self, engine: Engine, name: str) -> None:
        """Every statement and commit of an engine is a point before and a point after."""

        @event.listens_for(engine, "before_cursor_execute")
        def _before(_connection, cursor, statement, *_rest):
            self.hit(f"{name}: before {_first_words(statement)}", cursor.connection)

        @event.listens_for(engine, "after_cursor_execute")
        def _after(_connection, cursor, statement, *_rest):
            self.hit(f"{name}: after {_first_words(statement)}", cursor.connection)

        commit = engine.dialect.do_commit

        def do_commit(dbapi_connection):
            connection = dbapi_connection.driver_connection
            self.hit(f"{name}: before COMMIT", connection)
            commit(dbapi_connection)
            self.hit(f"{name}: after COMMIT", connection)
            if connection.closed:  # it was committed, and nobody heard of it
                raise psycopg.OperationalError("the connection was lost after COMMIT")

        engine.dialect.do_commit = do_commit


def _first_words(statement: str) -> str:
    return " ".join(statement.split()[:4])
