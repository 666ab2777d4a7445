"""Spans for whoever collects traces: told once they have ended, and to nobody where no collector is named.

`OTEL_EXPORTER_OTLP_ENDPOINT` names one. What is needed for it stands in requirements/otel.txt and is imported
by runtime/otlp.py alone, when it is switched on.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

import structlog

from runtime import redaction
from runtime.environment import Environment
from runtime.trace import Span

log = structlog.get_logger(__name__)

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Kind(StrEnum):
    """What a span is to the one before: a request that was taken, a message handled, a call made."""

    SERVER = "server"
    CONSUMER = "consumer"
    CLIENT = "client"


class Ended(NamedTuple):
    """A span that has ended: its traceparent, and the span that it was begun for (None: it is the first).

    Times are in nanoseconds since 1970, `error` is what it failed with.
    """

    traceparent: str
    parent: Span | None
    name: str
    kind: Kind
    began: int
    ended: int
    attributes: Mapping[str, str | int]
    error: str | None = None


Tell = Callable[[Ended], None]
_collectors: list[Tell] = []


def are_wanted() -> bool:
    return bool(_collectors)


def tell(ended: Ended) -> None:
    """Hand it to the collector; returns at once, whatever that does with it.

    What it tells of was committed, or was asked of the gateway: to fail here would have that done again.
    """
    for collector in _collectors:
        try:
            collector(ended)
        except Exception as error:  # noqa: BLE001 - a library's, and traces must not stop orders
            log.warning("a span was not told", span=ended.name, reason=redaction.explain(error))


def collect_with(collector: Tell) -> None:
    """From now on, tell it of every span."""
    _collectors.append(collector)


def endpoint() -> str:
    """The collector's URL; empty where none is named. Raises SettingsError for what is no URL."""
    environment = Environment()
    found = environment.text(ENDPOINT, "") and environment.url(ENDPOINT, "http://", "https://")
    environment.check()
    return found


def switch_on(process: str) -> None:
    """The one place where it is: export this process's spans if the environment says where to.

    A process goes on without, and says so, where the packages are not there: traces must not stop orders.
    """
    collector = endpoint()
    if not collector:
        return
    try:
        from runtime import otlp  # noqa: PLC0415 - an extra that most installations do without
    except ImportError:
        log.warning("no spans are exported: requirements/otel.txt is not installed", endpoint=collector)
        return
    collect_with(otlp.open_exporter(process, collector).tell)
    log.info("spans are exported", endpoint=collector)
