"""Everybody is asked, all at the same time, each within a bound; who does not answer is a `Silence`.

A part that was asked and has not answered yet is not asked again: a database that is frozen holds one
question, and not one more for each time that somebody looks. An answer that came when nobody waited any more
is of then, not of now, and is let go.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from requests import RequestException
from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from connect.client import ConnectClient
from contracts.services import ORDER, PAYMENT, SERVICES, Service
from doctor.facts import Silence
from monitor import ask_connect, ask_kafka, ask_postgres
from monitor.filling import Filling
from monitor.readings import Readings
from runtime.database import DatabaseLimits, connect_engine, database_url
from runtime.environment import Environment
from runtime.errors import NeverlostError
from runtime.waiting import Backoff

# Longer than a client's own time-outs, all but those that a frozen process never lets come.
SECONDS_MAX = 6.0
_SILENT = (SQLAlchemyError, RequestException, NeverlostError, OSError, *ask_kafka.ERRORS)
_LIMITS = DatabaseLimits(statement_ms=2_000, lock_ms=500, idle_in_transaction_ms=5_000)
# What is open there is all of these tables, and no index tells its age.
_AUDIT_LIMITS = DatabaseLimits(
    statement_ms=2_000, lock_ms=500, idle_in_transaction_ms=5_000, whole_tables=True
)
_ONE_TRY = Backoff(attempts=1, first_seconds=0)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """The ways in: each database as the auditor, Connect, and Kafka."""

    audit: URL
    databases: Mapping[Service, URL]
    connect_urls: tuple[str, ...]
    servers: tuple[str, ...]

    @classmethod
    def read(cls, environment: Environment) -> "Access":
        return cls(
            audit=database_url(environment, "AUDIT_DATABASE_URL"),
            databases={
                each: database_url(environment, f"{each.name.upper()}_DATABASE_URL") for each in SERVICES
            },
            connect_urls=environment.texts("CONNECT_URLS"),
            servers=environment.servers("KAFKA_BOOTSTRAP_SERVERS"),
        )


class Reader:
    """Takes readings, any number of times; one thread at a time may ask it to."""

    def __init__(self, access: Access, process: str) -> None:
        def engine(url: URL, limits: DatabaseLimits = _LIMITS) -> Engine:
            return connect_engine(url, process=process, connections=2, limits=limits)

        self._audit = engine(access.audit, _AUDIT_LIMITS)
        self._engines = {service: engine(url) for service, url in access.databases.items()}
        self._fillings = {service: Filling() for service in access.databases}
        self._client = ConnectClient(access.connect_urls, timeout_seconds=2, retries=_ONE_TRY)
        self._servers = access.servers
        self._asked: dict[str, Future[Any]] = {}

    def take(self) -> Readings:
        """Ask everybody once; takes as long as the slowest, and SECONDS_MAX at most."""
        began, taken_at = time.monotonic(), datetime.now(UTC)
        questions = self._questions(began)
        for source, question in questions.items():
            if source not in self._asked or self._asked[source].done():
                self._asked[source] = _begin(question)
        wait(self._asked.values(), SECONDS_MAX)
        told = {source: self._answer(source) for source in questions}
        return Readings(
            taken_at=taken_at,
            seconds=time.monotonic() - began,
            audit=told["audit"],
            databases={service.name: told[f"database {service.name}"] for service in self._engines},
            sagas=told["sagas"],
            intents=told["intents"],
            connect=told["connect"],
            lag=told["kafka"],
        )

    def close(self) -> None:
        for engine in (self._audit, *self._engines.values()):
            engine.dispose()

    def _questions(self, now: float) -> dict[str, Callable[[], Any]]:
        return {
            "audit": partial(ask_postgres.audit, self._audit),
            **{
                f"database {service.name}": partial(
                    ask_postgres.database, engine, service, self._fillings[service], now
                )
                for service, engine in self._engines.items()
            },
            "sagas": partial(ask_postgres.sagas, self._engines[ORDER]),
            "intents": partial(ask_postgres.intents, self._engines[PAYMENT]),
            "connect": partial(ask_connect.connect, self._client),
            "kafka": partial(ask_kafka.ask, self._servers),
        }

    def _answer(self, source: str) -> Any:
        """What came of a question. One without an answer stays asked."""
        asked = self._asked[source]
        if not asked.done():
            return Silence(source, f"it has not answered within {SECONDS_MAX:g} s")
        del self._asked[source]
        error = asked.exception()
        if error is None:
            return asked.result()
        if not isinstance(error, _SILENT):
            log.error("a part could not be read", source=source, exc_info=error)
        return Silence.after(source, error)


def _begin(question: Callable[[], Any]) -> Future[Any]:
    """Ask in a thread that does not keep the process from ending."""
    asked: Future[Any] = Future()

    def run() -> None:
        try:
            asked.set_result(question())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the answer
            asked.set_exception(error)

    threading.Thread(target=run, name="reading", daemon=True).start()
    return asked
