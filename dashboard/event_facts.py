"""One event by its id: the row, its places in topics, the inboxes, the letter that it may have become."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from audit import report, trace
from audit.trace import Event, Place
from contracts.services import AUDIT, SERVICES
from dashboard import queries
from dashboard.parts import CONNECT, Answers, Parts, Statuses, parts_away, rows
from dashboard.way import Letter, Way
from messaging.envelope import as_uuid


@dataclass(frozen=True, slots=True)
class Found:
    """An event and what surrounds it; without a row of an outbox nobody of ours has written it."""

    event: Event | None
    key: str | None
    places: tuple[Place, ...]
    source: str | None
    is_lost: bool
    way: Way

    @property
    def order_id(self) -> UUID | None:
        return as_uuid(self.key) if self.key else None


def read(parts: Parts, statuses: Statuses, event_id: UUID) -> Found:
    """Two rounds: where it is, and whether its order is known."""
    asked = parts.ask(
        {
            **{each.name: parts.database(each.name, _in_service, each.name, event_id) for each in SERVICES},
            AUDIT.name: parts.database(AUDIT.name, _in_topics, event_id),
            CONNECT: statuses,
        }
    )
    placed = asked.get(AUDIT.name, {"rows": [], "audited_at": None, "lost": False})
    there = {each.name: asked.found[each.name] for each in SERVICES if each.name in asked.found}
    places = tuple(Place(row.topic, row.partition, row.offset, row.appended_at) for row in placed["rows"])
    events = trace.join(
        {name: told["rows"] for name, told in there.items()},
        {name: told["inbox"] for name, told in there.items()},
        {event_id: places},
    )
    keys = [row.key for told in there.values() for row in told["rows"]] + [row.key for row in placed["rows"]]
    return Found(
        event=events[0] if events else None,
        key=next(iter(keys), None),
        places=places,
        source=placed["rows"][0].source if placed["rows"] else None,
        is_lost=placed["lost"],
        way=_way(event_id, events, there, placed["audited_at"], asked),
    )


def _way(
    event_id: UUID,
    events: tuple[Event, ...],
    there: Mapping[str, Mapping[str, Any]],
    audited_at: datetime | None,
    asked: Answers,
) -> Way:
    """What words need of its surroundings."""
    return Way(
        order_id=event_id,
        now=datetime.now(UTC),
        events=events,
        letters=tuple(letter for told in there.values() for letter in told["letters"]),
        relays=asked.get(CONNECT),
        audited_at=audited_at,
        away=parts_away(asked),
    )


def _in_service(connection: Connection, service: str, event_id: UUID) -> dict[str, Any]:
    asked = {"id": event_id, "consumer": service}
    return {
        "rows": rows(connection, queries.EVENT_ROW, asked),
        "inbox": trace.received(connection, service, [event_id]),
        "letters": [
            Letter(service=service, **row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
            for row in rows(connection, queries.EVENT_LETTER, asked)
        ],
    }


def _in_topics(connection: Connection, event_id: UUID) -> dict[str, Any]:
    return {
        "rows": rows(connection, queries.EVENT_PLACES, {"id": event_id}),
        "lost": bool(rows(connection, queries.EVENT_LOST, {"id": event_id})),
        "audited_at": report.newest(connection)[1],
    }
