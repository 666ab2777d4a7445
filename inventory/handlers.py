"""The inventory service's use cases, in the order of an order's life. None of them commits."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row

from contracts.messages import (
    Item,
    Message,
    OrderCompleted,
    ReleaseStock,
    ReserveStock,
    StockRejected,
    StockReleased,
    StockReserved,
)
from contracts.services import INVENTORY
from inventory import queries
from inventory.allocation import Decision, Move, allocate, release, reserve, sell, sum_by_sku
from inventory.models import Movement, Reservation
from messaging.consumer import Consumer, Handler
from messaging.errors import MessageFault
from messaging.outbox import Outgoing
from runtime.chance import happens

log = structlog.get_logger(__name__)

Known = dict[UUID, Row[Any]]


def lock(connection: Connection, messages: Sequence[Message]) -> None:
    """Lock the reservations and the stock that a batch concerns."""
    rows = connection.execute(queries.LOCK_RESERVATIONS, {"order_ids": [m.order_id for m in messages]})
    skus = {item["sku"] for row in rows for item in row.items}
    skus |= {item.sku for m in messages if isinstance(m, ReserveStock) for item in m.items}
    connection.execute(queries.LOCK_STOCK, {"skus": sorted(skus)})


def reserve_stock(failure_rate: float) -> Handler:
    """The handler of ReserveStock; a share of orders is refused on purpose, to show what follows."""

    def handle(connection: Connection, messages: Sequence[Message]) -> list[Outgoing]:
        known = _reservations(connection, messages)
        new = [m for m in messages if isinstance(m, ReserveStock) and m.order_id not in known]
        decisions = [_repeat(row) for row in known.values()]
        decisions += _decide(connection, new, failure_rate)
        kept = [d for d in decisions if d.refused is None and d.order_id not in known]
        _move(connection, [move for d in kept for move in reserve(d.order_id, d.items)])
        statuses = {d.order_id: _status(d, known) for d in decisions}
        sequences = _store(connection, decisions, statuses)
        return [Outgoing(_answer(d), sequences[d.order_id], str(d.order_id)) for d in decisions]

    return handle


def release_stock(connection: Connection, messages: Sequence[Message]) -> list[Outgoing]:
    """Give reserved stock back. Before its reserve, it leaves a row that refuses the late reserve."""
    known = _reservations(connection, messages)
    if sold := [str(i) for i, row in known.items() if row.status == Reservation.SOLD]:
        raise MessageFault(f"what is sold cannot be released: {', '.join(sold)}")
    reserved = {i: _items(row) for i, row in known.items() if row.status == Reservation.RESERVED}
    _move(connection, [move for i, items in reserved.items() for move in release(i, items)])
    released = [
        Decision(m.order_id, _items(known[m.order_id]) if m.order_id in known else (), "released")
        for m in messages
    ]
    sequences = _store(connection, released, {d.order_id: Reservation.RELEASED for d in released})
    return [
        Outgoing(StockReleased(order_id=d.order_id), sequences[d.order_id], str(d.order_id)) for d in released
    ]


def sell_stock(connection: Connection, messages: Sequence[Message]) -> list[Outgoing]:
    """The orders are complete: what was reserved for them is sold."""
    known = _reservations(connection, messages)
    for message in messages:
        status = known[message.order_id].status if message.order_id in known else None
        if status not in {Reservation.RESERVED, Reservation.SOLD}:
            raise MessageFault(f"the order is complete, but its reservation is {status or 'not there'}")
    reserved = {i: _items(row) for i, row in known.items() if row.status == Reservation.RESERVED}
    _move(connection, [move for i, items in reserved.items() for move in sell(i, items)])
    connection.execute(queries.MARK_SOLD, {"order_ids": list(reserved)})
    return []


def restock(connection: Connection, sku: str, quantity: int) -> Row[Any] | None:
    """Add units to a sku; its new stock, or None when there is no such sku."""
    connection.execute(queries.LOCK_STOCK, {"skus": [sku]})
    if connection.execute(queries.GET_STOCK, {"sku": sku}).first() is None:
        return None
    _move(connection, [Move(None, sku, Movement.RESTOCK, on_hand=quantity)])
    return connection.execute(queries.GET_STOCK, {"sku": sku}).one()


def consumer(failure_rate: float = 0.0) -> Consumer:
    """What this service does with each message it reads."""
    return Consumer(
        INVENTORY.name,
        lock,
        {
            ReserveStock.type: reserve_stock(failure_rate),
            ReleaseStock.type: release_stock,
            OrderCompleted.type: sell_stock,
        },
    )


def _reservations(connection: Connection, messages: Sequence[Message]) -> Known:
    rows = connection.execute(queries.READ_RESERVATIONS, {"order_ids": [m.order_id for m in messages]})
    return {row.order_id: row for row in rows}


def _decide(connection: Connection, orders: Sequence[ReserveStock], failure_rate: float) -> list[Decision]:
    skus = sorted({item.sku for order in orders for item in order.items})
    free = {row.sku: row.on_hand for row in connection.execute(queries.READ_FREE, {"skus": skus})}
    unlucky = {order.order_id for order in orders if happens(f"stock {order.order_id}", failure_rate)}
    refused = [Decision(o.order_id, o.items, "a simulated failure") for o in orders if o.order_id in unlucky]
    return refused + allocate(free, [order for order in orders if order.order_id not in unlucky])


def _repeat(row: Row[Any]) -> Decision:
    """The decision that was made before."""
    refused = row.status in {Reservation.REJECTED, Reservation.RELEASED}
    return Decision(row.order_id, _items(row), (row.reason or "released") if refused else None)


def _status(decision: Decision, known: Known) -> str:
    if decision.order_id in known:
        return str(known[decision.order_id].status)
    return Reservation.REJECTED if decision.refused else Reservation.RESERVED


def _store(
    connection: Connection, decisions: Sequence[Decision], statuses: dict[UUID, str]
) -> dict[UUID, int]:
    """Keep what was decided; answers with the sequence of what is told now, by order."""
    rows = connection.execute(
        queries.STORE_RESERVATIONS,
        {
            "order_ids": [d.order_id for d in decisions],
            "statuses": [statuses[d.order_id] for d in decisions],
            "items": [json.dumps([item.model_dump() for item in d.items]) for d in decisions],
            "reasons": [d.refused for d in decisions],
        },
    )
    for decision in decisions:
        log.info("stock decided", order_id=str(decision.order_id), status=statuses[decision.order_id])
    return {row.order_id: row.sequence for row in rows}


def _answer(decision: Decision) -> Message:
    if decision.refused:
        return StockRejected(order_id=decision.order_id, reason=decision.refused)
    return StockReserved(order_id=decision.order_id)


def _items(row: Row[Any]) -> tuple[Item, ...]:
    return tuple(Item.model_validate(item) for item in row.items)


def _move(connection: Connection, moves: Iterable[Move]) -> None:
    """Change the stock, once per sku, and write each change to the ledger."""
    moves = list(moves)
    if not moves:
        return
    sums = sum_by_sku(moves)
    connection.execute(
        queries.MOVE_STOCK,
        {
            "skus": list(sums),
            "on_hand": [on_hand for on_hand, _, _ in sums.values()],
            "reserved": [reserved for _, reserved, _ in sums.values()],
            "sold": [sold for _, _, sold in sums.values()],
        },
    )
    connection.execute(
        queries.WRITE_LEDGER,
        {
            "order_ids": [move.order_id for move in moves],
            "skus": [move.sku for move in moves],
            "movements": [move.movement for move in moves],
            "on_hand": [move.on_hand for move in moves],
            "reserved": [move.reserved for move in moves],
            "sold": [move.sold for move in moves],
        },
    )
