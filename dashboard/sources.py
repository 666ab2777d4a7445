"""What pages are made of: the parts that are asked, and how Kafka Connect is."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine

from connect.client import ConnectClient
from connect.health import ConnectorStatus
from contracts.services import AUDIT
from dashboard.parts import Parts
from dashboard.settings import Settings
from dashboard.watch import Watch
from runtime.database import DatabaseLimits, connect_engine
from runtime.waiting import Backoff

CONNECTIONS = 6  # to each database
OTHERS_AT_ONCE = 24  # questions, while every connection of every database is kept by one that hangs
# A page asks again in two seconds: what takes longer is told as away.
_LIMITS = DatabaseLimits(statement_ms=2_000, lock_ms=2_000)
_ONE_TRY = Backoff(attempts=1, first_seconds=0)
CONNECT_SECONDS = 1.2


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that a page may ask."""

    settings: Settings
    parts: Parts
    watch: Watch
    engines: Mapping[str, Engine]  # as who only looks; of the auditor's own database, where actions are kept
    handlers: Mapping[str, Engine]  # as each service itself, which handles dead letters again

    @property
    def audit(self) -> Engine:
        return self.engines[AUDIT.name]

    @classmethod
    def open(cls, settings: Settings) -> "Sources":
        engines = {
            name: connect_engine(url, process="dashboard", connections=CONNECTIONS, limits=_LIMITS)
            for name, url in settings.databases.items()
        }
        handlers = {
            name: connect_engine(url, process="dashboard", connections=2)
            for name, url in settings.handlers.items()
        }
        parts = Parts(engines, at_once=CONNECTIONS * len(engines) + OTHERS_AT_ONCE)
        return cls(settings, parts, Watch(settings, parts), engines, handlers)

    def close(self) -> None:
        self.parts.close()
        self.watch.close()
        for engine in (*self.engines.values(), *self.handlers.values()):
            engine.dispose()

    def client(self) -> ConnectClient:
        """Kafka Connect, asked once; a client of one's own for each question."""
        return ConnectClient(self.settings.connect_urls, timeout_seconds=CONNECT_SECONDS, retries=_ONE_TRY)

    def statuses(self) -> Mapping[str, ConnectorStatus]:
        """Every connector with its tasks. Raises ConnectError."""
        return self.client().statuses()
