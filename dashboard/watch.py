"""Takes readings in the background: every two seconds while somebody looks, else now and then."""

import threading
import time
from collections.abc import Mapping
from functools import partial

import requests
import structlog
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from contracts.services import SERVICE, SERVICES
from dashboard import queries
from dashboard.history import History, Sample
from dashboard.parts import Parts, Question, rows
from dashboard.settings import Settings
from monitor.gather import Access, Reader
from runtime.errors import NeverlostError

WATCHED_SECONDS = 2.0
UNWATCHED_SECONDS = 15.0
# Somebody who looks asks again within this.
LOOKS_ON_SECONDS = 10.0
FIRST_SECONDS_MAX = 4.0
API_SECONDS = 1.0

RESTARTS_TOTAL = "neverlost_connector_restarts_total"
_RESTARTS = "restarts"

log = structlog.get_logger(__name__)


class NotFigures(NeverlostError):  # noqa: N818 - it says what is wrong
    """Somebody answers, and not with figures that are known here."""


class Watch:
    """One thread that samples; pages look at the newest sample and wait for nobody."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        access = Access(
            audit=settings.databases["audit"],
            databases={service: settings.databases[service.name] for service in SERVICES},
            connect_urls=settings.connect_urls,
            servers=settings.bootstrap_servers,
        )
        self._reader = Reader(access, "dashboard")
        self._parts, self._urls, self._supervisor = parts, settings.urls, settings.supervisor_url
        self._history = History()
        self._looked_at = -UNWATCHED_SECONDS
        self._wake, self._first = threading.Event(), threading.Event()
        self._first.set()  # Until it is started there is no reading to wait for.

    def start(self) -> None:
        self._first.clear()
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def look(self) -> list[Sample]:
        """What was read of late, oldest first; waits, bounded, for the very first reading."""
        self._looked_at = time.monotonic()
        self._wake.set()
        self._first.wait(FIRST_SECONDS_MAX)
        return self._history.samples()

    def sample(self) -> None:
        """Read everything once."""
        asked = self._parts.ask({**self._counting(), **self._calls(), _RESTARTS: self._restarts})
        counters = {
            (service, name): number for service in SERVICE for name, number in asked.get(service, {}).items()
        }
        answers = {name: bool(asked.get(f"{name} API")) for name in SERVICE}
        restarts = asked.get(_RESTARTS, {})
        self._history.add(Sample(time.monotonic(), self._reader.take(), counters, answers, restarts))
        self._first.set()

    def close(self) -> None:
        self._reader.close()

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self.sample()
            except Exception:  # the next reading may succeed
                log.exception("no reading could be taken")
            self._wake.clear()
            is_watched = time.monotonic() - self._looked_at < LOOKS_ON_SECONDS
            self._wait(began + (WATCHED_SECONDS if is_watched else UNWATCHED_SECONDS), wakes=not is_watched)

    def _wait(self, until: float, *, wakes: bool) -> None:
        event = self._wake if wakes else threading.Event()
        event.wait(max(0.2, until - time.monotonic()))

    def _counting(self) -> dict[str, Question]:
        return {name: self._parts.database(name, _counters) for name in SERVICE}

    def _restarts(self) -> Mapping[str, float]:
        answer = _get(f"{self._supervisor}/metrics")
        answer.raise_for_status()
        try:
            return {
                sample.labels["connector"]: sample.value
                for family in text_string_to_metric_families(answer.text)
                for sample in family.samples
                if sample.name == RESTARTS_TOTAL
            }
        except (ValueError, KeyError) as error:
            raise NotFigures(f"who answers at {self._supervisor} is not the supervisor") from error

    def _calls(self) -> dict[str, Question]:
        return {f"{name} API": partial(_answers, url) for name, url in self._urls.items()}


def _counters(connection: Connection) -> Mapping[str, int]:
    return {row.name: row.number for row in rows(connection, queries.INSERTED, {})}


def _answers(url: str) -> bool:
    return _get(f"{url}/readyz").ok


def _get(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # these are neighbours: no proxy stands in between
        return session.get(url, timeout=API_SECONDS)
