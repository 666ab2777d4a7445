"""One order's way as a test says it, with defaults for all that the test does not care for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from audit.trace import Event, Place, Seen
from dashboard.way import LogLine, Order, Saga, Way

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
ID = UUID("01a21864-52c9-7af6-a0ab-dcc4a48a6cdb")


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def an_event(type, topic, writer, reader=None, *, written, appended=None, seen=None, known=True):  # noqa: A002
    places = (Place(topic, 1, 42, appended),) if appended else ()
    readers = (Seen(reader, seen, is_known=known),) if reader else ()
    return Event(uuid4(), type, topic, writer, 1, written, places, readers)


def a_way(status="PENDING", *, took=1.0, cause=None, saga="COMPLETED", **changes):
    """An order that was placed ten seconds ago and took so long."""
    placed = ago(10)
    order = Order(
        status=status,
        total_amount=1250,
        currency="EUR",
        created_at=placed,
        updated_at=placed + timedelta(seconds=took),
        items=({"sku": "PIZZA", "quantity": 1, "unit_price": 1250},),
    )
    values = {
        "order_id": ID,
        "now": max(NOW, placed + timedelta(seconds=took)),
        "order": order,
        "saga": Saga(status=saga, created_at=placed, updated_at=placed, cause=cause),
        "relays": {},
        "audited_at": NOW,
    }
    return Way(**{**values, **changes})


def running(*, status="RUNNING", note=None, version=2, awaits=(), due_at=None, **changes):
    """An order under way."""
    saga = Saga(
        status=status, created_at=ago(10), updated_at=ago(10), version=version, awaits=awaits, due_at=due_at
    )
    log = (LogLine(at=ago(10), kind="reply", status=status, note=note),) if note else ()
    return replace(a_way("PENDING", **changes), saga=saga, log=log)
