"""Keeps the connectors running: `python -m connect.supervisor`.

Connect never restarts a task that has failed, nor one that is wedged. This watches the states of tasks, not
only those of connectors, and whether a relay that runs moves on (connect/progress.py); it restarts what
failed or is wedged, and only that, ever more slowly. A worker that is dead leaves its group at once
(connect/membership.py).
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from connect import membership, progress
from connect.client import ConnectClient, ConnectError
from connect.health import ConnectorStatus, Verdict, problems
from connect.metrics import RESTARTS
from connect.progress import STRANDED_SECONDS, WEDGED_SECONDS, Sight, Watch
from connect.restarts import Restarts
from contracts.services import SERVICES, Service
from runtime.database import DatabaseLimits, connect_engine, database_url
from runtime.environment import Environment
from runtime.health import serve_health
from runtime.logs import configure
from runtime.stopping import stop_requested
from runtime.waiting import Backoff

POLL_SECONDS = 1.0
# How long a relay may bring nothing, by what Connect says of it; what failed is restarted at once.
_PATIENCE = {Verdict.HEALTHY: WEDGED_SECONDS, Verdict.DEGRADED: STRANDED_SECONDS}
# The next round asks again anyway.
_ONE_TRY = Backoff(attempts=1, first_seconds=0)
# A slow database must not keep a round from restarting what failed.
_LIMITS = DatabaseLimits(statement_ms=2_000, lock_ms=2_000)

log = structlog.get_logger(__name__)


# The relay of a connector as its database sees it; None where that could not be asked.
Look = Callable[[str], Sight | None]


class Supervisor:
    """One round after another; `problems` is what the last one saw."""

    def __init__(self, client: ConnectClient, connectors: tuple[str, ...], look: Look) -> None:
        self._client = client
        self._connectors = connectors
        self._look = look
        self._restarts = Restarts()
        self._watch = Watch()
        self._problems: Mapping[str, str] = {"connect": "not asked yet"}
        for name in connectors:
            RESTARTS.labels(name)  # A series that begins with its first restart shows no growth by it.

    def problems(self) -> Mapping[str, str]:
        return self._problems

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(POLL_SECONDS):
            self.look_around(time.monotonic())

    def look_around(self, now: float) -> None:
        """One round."""
        try:
            found = self._client.statuses()
            wedged = {name: told for name in found if (told := self._wedged(found[name], now))}
            self._tell({**problems(self._connectors, found), **wedged})
            for status in found.values():
                verdict = Verdict.WEDGED if status.name in wedged else status.verdict
                self._look_after(status.name, verdict, self._problems.get(status.name, ""), now)
        except ConnectError as error:
            self._tell({"connect": str(error)})

    def _wedged(self, status: ConnectorStatus, now: float) -> str | None:
        """Why a connector counts as wedged, whatever it says of itself; None where it does not."""
        patience = _PATIENCE.get(status.verdict)
        if status.name not in self._connectors or status.is_held or patience is None:
            self._watch.forget(status.name)
            return None
        sight = self._look(status.name)
        if sight is None:
            self._watch.forget(status.name)
            return None
        stalled = self._watch.stalled_seconds(status.name, sight, now)
        if stalled < patience:
            return None
        says = "it says that it runs" if status.verdict is Verdict.HEALTHY else status.summary()
        # In tens of seconds, so that the log does not tell every round as news.
        return f"{says}, and has brought nothing for {stalled // 10 * 10:.0f} s"

    def _look_after(self, name: str, verdict: Verdict, found: str, now: float) -> None:
        if not self._restarts.due(name, verdict, now):
            return
        if verdict is Verdict.WEDGED:
            self._client.check_health()  # Without Kafka no relay moves: a restart would only add to it.
        attempt, hopeless = self._restarts.note(name, now)
        tell = log.error if hopeless else log.warning
        what = "restarting again, in vain so far: a person is needed" if hopeless else "restarting"
        tell(what, connector=name, attempt=attempt, found=found)
        self._client.restart(name, only_failed=verdict is Verdict.FAILED)
        self._watch.forget(name)
        RESTARTS.labels(name).inc()

    def _tell(self, found: Mapping[str, str]) -> None:
        """Log what changed, not every round."""
        if found != self._problems:
            (log.warning if found else log.info)("connectors", problems=dict(found))
        self._problems = found


class Databases:
    """The way to each relay's database, as the auditor: whoever watches changes nothing."""

    def __init__(self, engines: Mapping[Service, Engine]) -> None:
        self._engines = {service.connector: (service, engine) for service, engine in engines.items()}

    def look(self, connector: str) -> Sight | None:
        service, engine = self._engines[connector]
        try:
            with engine.connect() as connection:
                return progress.look(connection, service)
        except SQLAlchemyError as error:
            log.warning("its database cannot be asked", connector=connector, reason=type(error).__name__)
            return None


def main() -> None:
    environment = Environment()
    urls = environment.texts("CONNECT_URLS")
    servers = environment.servers("KAFKA_BOOTSTRAP_SERVERS")
    bind = environment.bind("HEALTH_BIND", "127.0.0.1:9405")
    databases = {
        service: database_url(environment, f"{service.name.upper()}_DATABASE_URL") for service in SERVICES
    }
    environment.check()
    configure("connect-supervisor")
    stop = stop_requested()
    rebalance = partial(membership.rebalance, servers)
    client = ConnectClient(urls, timeout_seconds=5, retries=_ONE_TRY, rebalance=rebalance)
    engines = {
        service: connect_engine(url, process="connect-supervisor", connections=1, limits=_LIMITS)
        for service, url in databases.items()
    }
    supervisor = Supervisor(
        client,
        tuple(service.connector for service in SERVICES),
        Databases(engines).look,
    )
    serve_health(bind, supervisor.problems)
    threading.Thread(target=membership.Membership(urls, servers).run, args=(stop,), daemon=True).start()
    supervisor.run(stop)


if __name__ == "__main__":
    main()
