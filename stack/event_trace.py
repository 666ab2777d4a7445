"""Where an order's events went, and when: outbox row, then the inbox of whoever must see it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, make_url, text

from contracts.services import AUDITOR_ROLE, SERVICES, Service
from contracts.topics import MESSAGE_TOPICS
from runtime import trace
from runtime.database import connect_engine
from runtime.errors import WaitedTooLong
from runtime.waiting import until
from stack.layout import Layout

ARRIVED_SECONDS_MAX = 10

_WRITTEN = text("""
    SELECT id, type, topic, sequence, traceparent, created_at FROM outbox WHERE aggregateid = :order_id
""")
_RECEIVED = text("""
    SELECT event_id, received_at FROM inbox WHERE event_id = ANY(CAST(:ids AS uuid[]))
""")
_READERS = {topic.name: topic.readers for topic in MESSAGE_TOPICS}


@dataclass(frozen=True, slots=True)
class Hop:
    """One event's way to one reader (None: the event is for the public), in ms since the order came.

    `trace_id` is of the request that it comes from: the order's, or one that changed the order's way.
    """

    event: str
    writer: str
    written_ms: int
    trace_id: str | None
    reader: str | None = None
    received_ms: int | None = None

    def __str__(self) -> str:
        line = f"{self.written_ms:5} ms  {self.writer:9}  {self.event:20}"
        if self.reader is None:
            return f"{line}  → everybody"
        if self.received_ms is None:
            return f"{line}  → {self.reader}, not yet"
        return f"{line}  → {self.reader} after {self.received_ms - self.written_ms} ms"


def hops(layout: Layout, order_id: str) -> list[Hop]:
    """Every event of an order, in the order of time. Waits, bounded, until all have arrived."""
    with ExitStack() as opened:
        engines = {s.name: opened.enter_context(_auditor(layout, s)) for s in SERVICES}

        def all_arrived() -> list[Hop] | None:
            found = _read(engines, order_id)
            return found if all(hop.received_ms is not None for hop in found if hop.reader) else None

        try:
            return until(all_arrived, within_seconds=ARRIVED_SECONDS_MAX, what="events to arrive")
        except WaitedTooLong:
            return _read(engines, order_id)


def _read(engines: dict[str, Engine], order_id: str) -> list[Hop]:
    written = [
        (service, row)
        for service, engine in engines.items()
        for row in _rows(engine, _WRITTEN, {"order_id": order_id})
    ]
    written.sort(key=lambda each: each[1].created_at)
    ids = [row.id for _, row in written]
    received = {
        (service, row.event_id): row.received_at
        for service, engine in engines.items()
        for row in _rows(engine, _RECEIVED, {"ids": ids})
    }
    began = written[0][1].created_at
    return [hop for service, row in written for hop in _hops(service, row, received, began)]


def _hops(
    writer: str, row: Row[Any], received: dict[tuple[str, Any], datetime], began: datetime
) -> Iterator[Hop]:
    told = (row.type, writer, _ms(row.created_at, began), trace.trace_id(row.traceparent))
    for reader in _READERS[row.topic]:
        at = received.get((reader, row.id))
        yield Hop(*told, reader, _ms(at, began) if at else None)
    if not _READERS[row.topic]:
        yield Hop(*told)


def _ms(moment: datetime, began: datetime) -> int:
    return round((moment - began).total_seconds() * 1000)


def _rows(engine: Engine, statement: Any, values: dict[str, Any]) -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(statement, values))


@contextmanager
def _auditor(layout: Layout, service: Service) -> Iterator[Engine]:
    """A service's database, read only."""
    url = make_url(layout.database_url(AUDITOR_ROLE, service.database))
    password = (layout.secrets / AUDITOR_ROLE).read_text().strip()
    engine = connect_engine(url.set(password=password), process="event-trace", connections=1)
    try:
        yield engine
    finally:
        engine.dispose()
