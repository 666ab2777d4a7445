"""The exporter: `python -m monitor.exporter`. Serves what is read of the whole system to Prometheus."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from monitor.figures import families
from monitor.gather import Access, Reader
from monitor.readings import NOTHING_READ, Readings
from runtime.environment import Environment
from runtime.health import serve_health
from runtime.logs import configure
from runtime.stopping import stop_requested

# However many ask, and however often, the system is read no more than once in so many seconds.
FRESH_SECONDS = 4.0

log = structlog.get_logger(__name__)


class Exporter(Collector):
    """Takes a reading when somebody asks and the last one is too old; who comes meanwhile waits for it."""

    def __init__(self, take: Callable[[], Readings]) -> None:
        self._take = take
        self._turn = threading.Lock()
        self._latest = NOTHING_READ
        self._taken_at = -FRESH_SECONDS

    def latest(self) -> Readings:
        with self._turn:
            if time.monotonic() - self._taken_at >= FRESH_SECONDS:
                self._latest = self._take()
                self._taken_at = time.monotonic()
            return self._latest

    def collect(self) -> Iterator[Metric]:
        return families(self.latest())

    def describe(self) -> Iterator[Metric]:
        """The names alone, so that nothing is read because somebody wants to know them."""
        return families(NOTHING_READ)

    def warnings(self) -> dict[str, str]:
        """What did not answer when last read. The exporter is ready all the same: to say so is its work."""
        read = self._latest is not NOTHING_READ
        return {silence.source: silence.why for silence in self._latest.silences()} if read else {}


def main() -> None:
    environment = Environment()
    access = Access.read(environment)
    bind = environment.bind("HEALTH_BIND")
    environment.check()
    configure("exporter")
    # Brokers that are away are told by a figure, and not by twenty lines at each reading.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    stop = stop_requested()
    reader = Reader(access, "exporter")
    exporter = Exporter(reader.take)
    REGISTRY.register(exporter)
    health = serve_health(bind, dict, exporter.warnings)
    log.info("exporter started")
    stop.wait()
    health.shutdown()
    reader.close()
    log.info("exporter stopped")


if __name__ == "__main__":
    main()
