"""One of three services with an outbox that is polled: which one, its environment says. No broker is there.

A relay thread sends up to a hundred events a POST to the service they are for, which handles them in one
transaction with its inbox; only then are they deleted. One relay a service: two would send batches whose
transactions wait for one another's rows.
"""

import http.client
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from flask import Flask, request

from benchmarks.peers import sql
from benchmarks.peers.peer import Door, Refused
from runtime.environment import Environment

BATCH_MAX = 100
# A notification wakes the relay; the poll is for one that is lost.
POLL_SECONDS = 0.1

Event = dict[str, Any]  # {"id": uuid, "type": one of ROUTES, "data": the order}
Connection = psycopg.Connection[tuple[Any, ...]]

# Whom an event is for.
ROUTES = {
    "order.placed": "payments",
    "payment.captured": "inventory",
    "payment.declined": "orders",
    "payment.refunded": "orders",
    "stock.reserved": "orders",
    "stock.refused": "payments",
}
_ENDS = {
    "payment.declined": "FAILED",
    "payment.refunded": "CANCELLED",
    "stock.reserved": "COMPLETED",
}

CLAIM = "INSERT INTO inbox SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id::text"
EMIT = """
    WITH sent AS (INSERT INTO outbox (type, payload) SELECT * FROM unnest($1::text[], $2::text[]))
    SELECT pg_notify('outbox', '')
"""
PLACE = f"""
    WITH placed AS ({sql.PLACE} RETURNING id),
         sent AS (INSERT INTO outbox (type, payload) SELECT 'order.placed', $5 FROM placed)
    SELECT pg_notify('outbox', '') FROM placed
"""  # noqa: S608 - constants of ours
CHARGE = """
    INSERT INTO payments (order_id, status, amount)
    SELECT asked.id, CASE asked.token WHEN 'tok_declined' THEN 'DECLINED' ELSE 'CAPTURED' END, asked.amount
    FROM unnest($1::uuid[], $2::text[], $3::int[]) AS asked (id, token, amount)
    RETURNING order_id::text, status
"""
REFUND = "UPDATE payments SET status = 'REFUNDED' WHERE order_id = ANY($1::uuid[])"
RESERVE = """
    SELECT asked.id::text, reserve(asked.id, asked.sku, asked.quantity)
    FROM unnest($1::uuid[], $2::text[], $3::int[]) AS asked (id, sku, quantity)
"""
END = """
    UPDATE orders SET status = $2, finished_at = clock_timestamp(), ended = nextval('ended_orders')
    WHERE id = ANY($1::uuid[]) AND status = 'PENDING'
"""
WAITING = f"SELECT id::text, type, payload FROM outbox ORDER BY id LIMIT {BATCH_MAX}"  # noqa: S608 - the same
SENT = "DELETE FROM outbox WHERE id = ANY($1::uuid[])"

# By order, what follows from a batch of events of one type.
Outcome = Mapping[str, str]


def charge(to: Connection, orders: Sequence[Event]) -> Outcome:
    rows = to.execute(CHARGE, columns(orders, "id", "token", "amount")).fetchall()
    return {key: f"payment.{status.lower()}" for key, status in rows}


def refund(to: Connection, orders: Sequence[Event]) -> Outcome:
    to.execute(REFUND, columns(orders, "id"))
    return {order["id"]: "payment.refunded" for order in orders}


def reserve(to: Connection, orders: Sequence[Event]) -> Outcome:
    rows = to.execute(RESERVE, columns(orders, "id", "sku", "quantity")).fetchall()
    return {key: "stock.reserved" if status == "SOLD" else "stock.refused" for key, status in rows}


def end(status: str) -> Callable[[Connection, Sequence[Event]], Outcome]:
    def ended(to: Connection, orders: Sequence[Event]) -> Outcome:
        to.execute(END, (*columns(orders, "id"), status))
        return {}

    return ended


HANDLERS: Mapping[str, Callable[[Connection, Sequence[Event]], Outcome]] = {
    "order.placed": charge,
    "payment.captured": reserve,
    "stock.refused": refund,
    **{kind: end(status) for kind, status in _ENDS.items()},
}


def columns(orders: Sequence[Event], *names: str) -> tuple[list[Any], ...]:
    """Of the orders, an array for every name."""
    return tuple([order[name] for order in orders] for name in names)


def receive(to: Connection, events: Sequence[Event]) -> None:
    """Handle a batch in one transaction; what came before is left out."""
    with to.transaction():
        claimed = {key for (key,) in to.execute(CLAIM, ([each["id"] for each in events],))}
        follow = list[tuple[str, str]]()
        for kind, batch in _by_type(each for each in events if each["id"] in claimed):
            orders = {each["data"]["id"]: each["data"] for each in batch}
            outcome = HANDLERS[kind](to, list(orders.values()))
            follow += [(after, json.dumps(orders[key])) for key, after in outcome.items()]
        if follow:
            to.execute(EMIT, tuple(map(list, zip(*follow, strict=True))))


def _by_type(events: Iterable[Event]) -> Iterable[tuple[str, list[Event]]]:
    kind = itemgetter("type")
    return ((each, list(batch)) for each, batch in groupby(sorted(events, key=kind), key=kind))


def relay(url: str, doors: Mapping[str, Door]) -> None:
    """Send what is in the outbox, for ever."""
    with connected(url) as connection:
        connection.execute("LISTEN outbox")
        while True:
            if not pass_on(connection, doors):
                for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                    continue


def pass_on(connection: Connection, doors: Mapping[str, Door]) -> bool:
    """Whether anything was sent; a service that does not answer is asked again at the next poll."""
    by_target = dict[str, list[Event]]()
    for key, kind, payload in connection.execute(WAITING):
        event = {"id": key, "type": kind, "data": json.loads(payload)}
        by_target.setdefault(ROUTES[kind], []).append(event)
    sent = list[str]()
    for target, events in by_target.items():
        with suppress(OSError, http.client.HTTPException, Refused):
            doors[target].post("/events", events)
            sent += [each["id"] for each in events]
    if sent:
        connection.execute(SENT, (sent,))
    return bool(sent)


def connected(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor)


def create_app() -> Flask:
    """The service with its relay, from DATABASE_URL, ORDERS_PORT, PAYMENTS_PORT and INVENTORY_PORT."""
    environment = Environment()
    url = environment.text("DATABASE_URL")
    doors = {name: Door(environment.whole(f"{name.upper()}_PORT", 0)) for name in {*ROUTES.values()}}
    environment.check()
    threading.Thread(target=relay, args=(url, doors), daemon=True).start()
    return _app(url)


def _app(url: str) -> Flask:
    app, of_thread = Flask("hand_written"), threading.local()

    def connection() -> Connection:
        if not hasattr(of_thread, "connection"):
            of_thread.connection = connected(url)
        found: Connection = of_thread.connection
        return found

    def orders() -> tuple[str, int]:
        order = request.get_json()
        values = [order[name] for name in ("id", "sku", "quantity", "amount")]
        connection().execute(PLACE, [*values, json.dumps(order)])
        return "", 201

    def events() -> tuple[str, int]:
        receive(connection(), request.get_json())
        return "", 204

    app.post("/orders")(orders)
    app.post("/events")(events)
    return app
