"""Keeps the connectors running: `python -m connect.supervisor`.

Connect never restarts a task that has failed. This watches the states of tasks, not only those of
connectors, and restarts what failed, and only that, ever more slowly.
"""

import threading
import time
from collections.abc import Mapping

import structlog

from connect.client import ConnectClient, ConnectError
from connect.health import ConnectorStatus, problems
from connect.restarts import Restarts
from contracts.services import SERVICES
from runtime.environment import Environment
from runtime.health import serve_health
from runtime.logs import configure
from runtime.stopping import stop_requested
from runtime.waiting import Backoff

POLL_SECONDS = 1.0
# The next round asks again anyway.
_ONE_TRY = Backoff(attempts=1, first_seconds=0)

log = structlog.get_logger(__name__)


class Supervisor:
    """One round after another; `problems` is what the last one saw."""

    def __init__(self, client: ConnectClient, connectors: tuple[str, ...]) -> None:
        self._client = client
        self._connectors = connectors
        self._restarts = Restarts()
        self._problems: Mapping[str, str] = {"connect": "not asked yet"}

    def problems(self) -> Mapping[str, str]:
        return self._problems

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(POLL_SECONDS):
            self._round(time.monotonic())

    def _round(self, now: float) -> None:
        try:
            found = self._client.statuses()
            self._tell(problems(self._connectors, found))
            for status in found.values():
                self._look_after(status, now)
        except ConnectError as error:
            self._tell({"connect": str(error)})

    def _look_after(self, status: ConnectorStatus, now: float) -> None:
        if not self._restarts.due(status.name, status.verdict, now):
            return
        attempt, hopeless = self._restarts.note(status.name, now)
        tell = log.error if hopeless else log.warning
        what = "restarting again, in vain so far: a person is needed" if hopeless else "restarting"
        tell(what, connector=status.name, attempt=attempt, found=status.summary())
        self._client.restart(status.name, only_failed=True)

    def _tell(self, found: Mapping[str, str]) -> None:
        """Log what changed, not every round."""
        if found != self._problems:
            (log.warning if found else log.info)("connectors", problems=dict(found))
        self._problems = found


def main() -> None:
    environment = Environment()
    urls = environment.texts("CONNECT_URLS")
    bind = environment.bind("HEALTH_BIND", "127.0.0.1:9405")
    environment.check()
    configure("connect-supervisor")
    stop = stop_requested()
    client = ConnectClient(urls, timeout_seconds=5, retries=_ONE_TRY)
    supervisor = Supervisor(client, tuple(service.connector for service in SERVICES))
    serve_health(bind, supervisor.problems)
    supervisor.run(stop)


if __name__ == "__main__":
    main()
