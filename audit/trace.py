"""One order's events, as the databases tell them: written, in their topic, seen by whoever must see them.

Reads only, one connection at a time, so that a database that is away hides no more than its own rows. No
outbox has an index by order: its events are known by the ids that the saga's log and the auditor have of
them, and what was written since the auditor's last rounds is found among the newest rows.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from audit import trace_sql as sql
from contracts.topics import MESSAGE_TOPICS
from runtime.trace import trace_id

READERS: Mapping[str, tuple[str, ...]] = {topic.name: topic.readers for topic in MESSAGE_TOPICS}
# The auditor has read what is older; a round is due every second.
NEWEST_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record of an event stands in its topic, and since when."""

    topic: str
    partition: int
    offset: int
    appended_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether a consumer has the event in its inbox. Not known, where its database could not be asked."""

    reader: str
    at: datetime | None = None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """One row of an outbox on its way. Without a reader it is for the public."""

    id: UUID
    type: str
    topic: str
    writer: str
    sequence: int
    written_at: datetime
    places: tuple[Place, ...] = ()
    seen: tuple[Seen, ...] = ()
    traceparent: str | None = None

    @property
    def trace_id(self) -> str | None:
        """Of the request that it comes from."""
        return trace_id(self.traceparent)

    @property
    def appended_at(self) -> datetime | None:
        """When it first was in its topic."""
        return min((place.appended_at for place in self.places), default=None)

    @property
    def awaited_by(self) -> tuple[str, ...]:
        """The consumers that have not seen it."""
        return tuple(each.reader for each in self.seen if each.is_known and each.at is None)


@dataclass(frozen=True, slots=True)
class Noted:
    """What the auditor has noted of an order's events: those in a topic with their places, and the others."""

    places: Mapping[UUID, tuple[Place, ...]]
    awaited: frozenset[UUID]

    @property
    def ids(self) -> set[UUID]:
        return {*self.places, *self.awaited}


def logged(connection: Connection, order_id: UUID) -> set[UUID]:
    """The events that the order's saga has sent or taken; of the order service's database."""
    return set(connection.execute(sql.LOGGED, {"order_id": order_id}).scalars())


def noted(connection: Connection, order_id: UUID) -> Noted:
    """What the auditor knows; of its own database."""
    key = {"key": str(order_id)}
    places: dict[UUID, tuple[Place, ...]] = {}
    for row in connection.execute(sql.PLACES, key):
        place = Place(row.topic, row.partition, row.offset, row.appended_at)
        places[row.event_id] = (*places.get(row.event_id, ()), place)
    return Noted(places, frozenset(connection.execute(sql.AWAITED, key).scalars()))


def written(connection: Connection, order_id: UUID, ids: Collection[UUID]) -> list[Row[Any]]:
    """The rows of a service's outbox that are among the ids, or new and of the order."""
    asked = {"ids": list(ids), "key": str(order_id), "seconds": NEWEST_SECONDS}
    return list(connection.execute(sql.WRITTEN, asked))


def received(connection: Connection, service: str, ids: Collection[UUID]) -> dict[UUID, datetime]:
    """When the service's consumer took each of the events that are in its inbox."""
    rows = connection.execute(sql.RECEIVED, {"ids": list(ids), "consumer": service})
    return {row.event_id: row.received_at for row in rows}


def join(
    rows: Mapping[str, Iterable[Row[Any]]],
    inboxes: Mapping[str, Mapping[UUID, datetime]],
    places: Mapping[UUID, tuple[Place, ...]],
) -> tuple[Event, ...]:
    """The events in the order of time. An inbox that is missing could not be asked."""
    events = [
        Event(
            id=row.id,
            type=row.type,
            topic=row.topic,
            writer=service,
            sequence=row.sequence,
            written_at=row.created_at,
            places=places.get(row.id, ()),
            seen=tuple(_seen(reader, row.id, inboxes) for reader in READERS.get(row.topic, ())),
            traceparent=row.traceparent,
        )
        for service, found in rows.items()
        for row in found
    ]
    return tuple(sorted(events, key=lambda event: (event.written_at, event.sequence)))


def _seen(reader: str, event_id: UUID, inboxes: Mapping[str, Mapping[UUID, datetime]]) -> Seen:
    inbox = inboxes.get(reader)
    return Seen(reader, None, is_known=False) if inbox is None else Seen(reader, inbox.get(event_id))
