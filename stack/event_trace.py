"""Where an order's events went, and when: outbox row, then the inbox of whoever must see it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, make_url, text

from contracts.services import AUDITOR_ROLE, SERVICES, Service
from contracts.topics import MESSAGE_TOPICS
from runtime.database import connect_engine
from runtime.errors import WaitedTooLong
from runtime.waiting import until
from stack.layout import Layout

ARRIVED_SECONDS_MAX = 10

_WRITTEN = text("""
    SELECT id, type, topic, sequence, created_at FROM outbox WHERE aggregateid = :order_id
""")
_RECEIVED = text("""
    SELECT event_id, received_at FROM inbox WHERE event_id = ANY(CAST(:ids AS uuid[]))
""")
_READERS = {topic.name: topic.readers for topic in MESSAGE_TOPICS}


@dataclass(frozen=True, slots=True)
class Hop:
    """One event's way to one reader (None: the event is for the public), in ms since the order came."""

    event: str
    writer: str
    written_ms: int
    reader: str | None = None
    received_ms: int | None = None

    def __str__(self) -> str:
        line = f"{self.written_ms:5} ms  {self.writer:9}  {self.event:20}"
        if self.reader is None:
            return f"{line}  → everybody"
        if self.received_ms is None:
            return f"{line}  → {self.reader}, not yet"
        return f"{line}  → {self.reader} after {self.received_ms - self.written_ms} ms"


Reader = Callable[[str], list[Hop]]


@contextmanager
def reader(layout: Layout) -> Iterator[Reader]:
    """What reads the hops of an order that there are by now, in the order of time."""
    with ExitStack() as opened:
        engines = {s.name: opened.enter_context(_auditor(layout, s)) for s in SERVICES}
        yield lambda order_id: _read(engines, order_id)


def when_arrived(read: Reader, order_id: str) -> list[Hop]:
    """Every hop of an order. Waits, bounded, until all events have arrived."""

    def all_arrived() -> list[Hop] | None:
        found = read(order_id)
        return found if all(hop.received_ms is not None for hop in found if hop.reader) else None

    try:
        return until(all_arrived, within_seconds=ARRIVED_SECONDS_MAX, what="events to arrive")
    except WaitedTooLong:
        return read(order_id)


def _read(engines: dict[str, Engine], order_id: str) -> list[Hop]:
    written = [
        (service, row)
        for service, engine in engines.items()
        for row in _rows(engine, _WRITTEN, {"order_id": order_id})
    ]
    if not written:
        return []
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
    written = _ms(row.created_at, began)
    for reader in _READERS[row.topic]:
        at = received.get((reader, row.id))
        yield Hop(row.type, writer, written, reader, _ms(at, began) if at else None)
    if not _READERS[row.topic]:
        yield Hop(row.type, writer, written)


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
