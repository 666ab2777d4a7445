"""The auditor: `python -m audit.auditor`. Reads everything, writes its own database and nothing else."""

import threading
from collections.abc import Mapping

import psycopg
import structlog
from confluent_kafka import KafkaException
from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from audit.rounds import Auditor
from audit.sources import Source
from audit.verdict import Verdict
from contracts.services import SERVICES
from runtime.database import DatabaseLimits, connect_engine, database_url
from runtime.environment import Environment
from runtime.errors import NeverlostError
from runtime.health import serve_health
from runtime.logs import configure
from runtime.stopping import stop_requested

EVERY_SECONDS = 1.0
# A first round may read much; services' limits would cut it short.
_LIMITS = DatabaseLimits(statement_ms=60_000, idle_in_transaction_ms=60_000, whole_tables=True)

log = structlog.get_logger(__name__)


class Watch:
    """Runs rounds until it is stopped, and tells when the verdict changes."""

    def __init__(self, auditor: Auditor, stop: threading.Event) -> None:
        self._auditor = auditor
        self._stop = stop
        self._told: tuple[str, ...] = ()
        self._problems: Mapping[str, str] = {"audit": "no round is finished yet"}

    def problems(self) -> Mapping[str, str]:
        """Why the auditor cannot say anything; what it has to say is no problem of its own."""
        return self._problems

    def run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(0.0 if self._round() else EVERY_SECONDS)

    def _round(self) -> bool:
        """Whether there was more to read than a round takes in."""
        try:
            report = self._auditor.round()
        except (SQLAlchemyError, psycopg.Error, KafkaException, TimeoutError, NeverlostError) as error:
            self._problems = {"audit": f"the last round failed: {_first_line(error)}"}
            self._tell(Verdict.GREY, list(self._problems.values()))
            return False
        self._problems = {}
        self._tell(report["verdict"], report["reasons"])
        return bool(report["behind"])

    def _tell(self, verdict: str, reasons: list[str]) -> None:
        told = (verdict, *reasons)
        if told != self._told:
            tell = {Verdict.GREEN: log.info, Verdict.RED: log.error}.get(Verdict(verdict), log.warning)
            tell("audit", verdict=verdict, reasons=reasons)
        self._told = told


def main() -> None:
    environment = Environment()
    own = database_url(environment, "AUDIT_DATABASE_URL")
    databases = {each: database_url(environment, f"{each.name.upper()}_DATABASE_URL") for each in SERVICES}
    servers = environment.servers("KAFKA_BOOTSTRAP_SERVERS")
    bind = environment.bind("HEALTH_BIND")
    environment.check()
    configure("auditor")
    stop = stop_requested()
    engine = _engine(own)
    sources = [Source(service, _engine(url)) for service, url in databases.items()]
    auditor = Auditor(engine, sources, servers)
    watch = Watch(auditor, stop)
    health = serve_health(bind, watch.problems)
    watch.run()
    auditor.close()
    health.shutdown()


def _engine(url: URL) -> Engine:
    return connect_engine(url, process="auditor", connections=2, limits=_LIMITS)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


if __name__ == "__main__":
    main()
