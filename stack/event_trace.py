"""Where an order's events went, and when: outbox row, then the inbox of whoever must see it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, make_url

from audit import trace
from audit.trace import Event
from contracts.services import AUDITOR_ROLE, ORDER, SERVICES, Service
from runtime.database import connect_engine
from runtime.errors import WaitedTooLong
from runtime.trace import trace_id
from runtime.waiting import until
from stack.layout import Layout

ARRIVED_SECONDS_MAX = 10


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


Reader = Callable[[str], list[Hop]]


@contextmanager
def reader(layout: Layout) -> Iterator[Reader]:
    """What reads the hops of an order that there are by now, in the order of time."""
    with ExitStack() as opened:
        engines = {s.name: opened.enter_context(_auditor(layout, s)) for s in SERVICES}
        yield lambda order_id: _read(engines, UUID(order_id))


def when_arrived(read: Reader, order_id: str) -> list[Hop]:
    """Every hop of an order. Waits, bounded, until all events have arrived."""

    def all_arrived() -> list[Hop] | None:
        found = read(order_id)
        return found if all(hop.received_ms is not None for hop in found if hop.reader) else None

    try:
        return until(all_arrived, within_seconds=ARRIVED_SECONDS_MAX, what="events to arrive")
    except WaitedTooLong:
        return read(order_id)


def _read(engines: dict[str, Engine], order_id: UUID) -> list[Hop]:
    """The order has just been placed: what its saga has not taken yet is among the newest rows."""
    rows, inboxes = {}, {}
    with engines[ORDER.name].connect() as connection:
        known = trace.logged(connection, order_id)
    for service, engine in engines.items():
        with engine.connect() as connection:
            rows[service] = trace.written(connection, order_id, known)
    ids = [row.id for found in rows.values() for row in found]
    for service, engine in engines.items():
        with engine.connect() as connection:
            inboxes[service] = trace.received(connection, service, ids)
    events = trace.join(rows, inboxes, {})
    return [hop for event in events for hop in _hops(event, events[0].written_at)]


def _hops(event: Event, began: datetime) -> Iterator[Hop]:
    told = (event.type, event.writer, _ms(event.written_at, began), trace_id(event.traceparent))
    for seen in event.seen:
        yield Hop(*told, seen.reader, _ms(seen.at, began) if seen.at else None)
    if not event.seen:
        yield Hop(*told)


def _ms(moment: datetime, began: datetime) -> int:
    return round((moment - began).total_seconds() * 1000)


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
