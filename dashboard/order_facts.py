"""One order, read from everybody who knows of it. Three rounds of questions: each needs ids of the last."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from audit import report, trace
from audit.trace import Noted
from contracts.services import AUDIT, INVENTORY, ORDER, PAYMENT, SERVICES
from dashboard import queries
from dashboard.parts import CONNECT, Parts, Statuses, parts_away, rows
from dashboard.way import Intent, Letter, LogLine, Order, Payment, Reservation, Saga, Way
from saga import people
from saga.people import UnknownSaga
from saga.state import Cause, cause_from_json


def read(parts: Parts, statuses: Statuses, order_id: UUID) -> Way:
    """Everything that is known of the order now."""
    known = parts.ask(
        {
            ORDER.name: parts.database(ORDER.name, _order, order_id),
            PAYMENT.name: parts.database(PAYMENT.name, _payment, order_id),
            INVENTORY.name: parts.database(INVENTORY.name, _reservation, order_id),
            AUDIT.name: parts.database(AUDIT.name, _audited, order_id),
            CONNECT: statuses,
        }
    )
    noted, audited_at = known.get(AUDIT.name, (Noted({}, frozenset()), None))
    order = known.get(ORDER.name, {})
    there = [service.name for service in SERVICES if service.name in known.found]
    ids = {*order.get("ids", ()), *noted.ids}
    written = parts.ask({name: parts.database(name, trace.written, order_id, ids) for name in there})
    ids = {row.id for found in written.found.values() for row in found} | noted.ids
    seen = parts.ask({name: parts.database(name, _seen, name, order_id, ids) for name in written.found})
    return Way(
        order_id=order_id,
        now=order.get("now") or datetime.now(UTC),
        order=order.get("order"),
        saga=order.get("saga"),
        log=order.get("log", ()),
        events=trace.join(
            written.found, {name: inbox for name, (inbox, _) in seen.found.items()}, noted.places
        ),
        letters=tuple(letter for _, letters in seen.found.values() for letter in letters),
        reservation=known.get(INVENTORY.name),
        relays=known.get(CONNECT),
        audited_at=audited_at,
        away=parts_away(known, written, seen),
        **known.get(PAYMENT.name, {}),
    )


def _order(connection: Connection, order_id: UUID) -> dict[str, Any]:
    row = connection.execute(queries.GET_ORDER, {"id": order_id}).first()
    told: dict[str, Any] = {"now": connection.execute(queries.NOW).scalar_one(), "order": _value(Order, row)}
    try:
        saga, log = people.find(connection, order_id)
    except UnknownSaga:
        return told
    return told | {
        "ids": {line.event_id for line in log if line.event_id},
        "saga": Saga(
            status=saga.status,
            version=saga.version,
            awaits=tuple(saga.awaits),
            cause=_cause(saga.cause),
            due_at=saga.due_at,
            created_at=saga.created_at,
            updated_at=saga.updated_at,
        ),
        "log": tuple(_log_line(line) for line in log),
    }


def _cause(told: list[Any] | None) -> Cause | None:
    """None as well for one that only a newer release knows."""
    try:
        return cause_from_json(told)
    except (ValueError, TypeError):
        return None


def _log_line(line: Row[Any]) -> LogLine:
    values = dict(line._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    values.pop("id")
    return LogLine(**values)


def _payment(connection: Connection, order_id: UUID) -> dict[str, Any]:
    wanted = {"id": order_id}
    return {
        "payment": _value(Payment, connection.execute(queries.GET_PAYMENT, wanted).first()),
        "intents": tuple(_value(Intent, row) for row in rows(connection, queries.INTENTS, wanted)),
    }


def _reservation(connection: Connection, order_id: UUID) -> Reservation | None:
    row = connection.execute(queries.GET_RESERVATION, {"id": order_id}).first()
    found: Reservation | None = _value(Reservation, row)
    return found


def _audited(connection: Connection, order_id: UUID) -> tuple[Noted, datetime | None]:
    return trace.noted(connection, order_id), report.newest(connection)[1]


def _seen(
    connection: Connection, service: str, order_id: UUID, ids: Collection[UUID]
) -> tuple[dict[UUID, datetime], list[Letter]]:
    asked = {"consumer": service, "key": str(order_id), "ids": list(ids)}
    letters = rows(connection, queries.LETTERS_OF_ORDER, asked)
    return trace.received(connection, service, ids), [_letter(service, row) for row in letters]


def _letter(service: str, row: Row[Any]) -> Letter:
    return Letter(service=service, **row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _value(kind: type[Any], row: Row[Any] | None) -> Any:
    return kind(**row._mapping) if row is not None else None  # noqa: SLF001 - the same
