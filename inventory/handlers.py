"""The inventory service's use cases, in the order of an order's life. None of them commits."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row

from contracts.messages import (
    Command,
    Item,
    Message,
    OrderCompleted,
    ReleaseStock,
    Reply,
    ReserveStock,
    StockCommandParked,
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
from runtime.chance import happens
from saga import participant

log = structlog.get_logger(__name__)

Known = dict[UUID, Row[Any]]


def lock(connection: Connection, messages: Sequence[Message]) -> None:
    """Lock the fences, the reservations and the stock that a batch concerns."""
    participant.lock(connection, messages)
    rows = connection.execute(queries.LOCK_RESERVATIONS, {"order_ids": [m.order_id for m in messages]})
    skus = {item["sku"] for row in rows for item in row.items}
    skus |= {item.sku for m in messages if isinstance(m, ReserveStock) for item in m.items}
    connection.execute(queries.LOCK_STOCK, {"skus": sorted(skus)})


def reserve_stock(failure_rate: float) -> Handler:
    """The handler of ReserveStock; a share of tries is refused on purpose, to show what follows."""

    def reserve_new(connection: Connection, orders: Sequence[ReserveStock]) -> list[Reply]:
        decisions = _decide(connection, orders, failure_rate)
        kept = [d for d in decisions if d.refused is None]
        _move(connection, [move for d in kept for move in reserve(d.order_id, d.items)])
        _store(connection, decisions)
        answers = {d.order_id: _answer(d) for d in decisions}
        return [answers[order.order_id] for order in orders]

    return participant.action(reserve_new, success=StockReserved, refusal=_came_late)


def release_reserved(connection: Connection, commands: Sequence[ReleaseStock]) -> list[Reply]:
    """Give back what is reserved for the orders."""
    known = _reservations(connection, commands)
    if sold := [str(i) for i, row in known.items() if row.status == Reservation.SOLD]:
        raise MessageFault(f"what is sold cannot be released: {', '.join(sold)}")
    reserved = _reserved_items(known)
    _move(connection, [move for i, items in reserved.items() for move in release(i, items)])
    _end(connection, reserved, Reservation.RELEASED)
    return _keep_nothing(connection, commands)


def sell_stock(connection: Connection, messages: Sequence[Message]) -> list[Message]:
    """The orders are complete: what was reserved for them is sold."""
    known = _reservations(connection, messages)
    for message in messages:
        status = known[message.order_id].status if message.order_id in known else None
        if status not in {Reservation.RESERVED, Reservation.SOLD}:
            raise MessageFault(f"the order is complete, but its reservation is {status or 'not there'}")
    reserved = _reserved_items(known)
    _move(connection, [move for i, items in reserved.items() for move in sell(i, items)])
    _end(connection, reserved, Reservation.SOLD)
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
            ReleaseStock.type: participant.compensation(
                release_reserved, success=StockReleased, nothing=_keep_nothing
            ),
            OrderCompleted.type: sell_stock,
        },
        parked=StockCommandParked,
    )


def _reservations(connection: Connection, messages: Sequence[Message]) -> Known:
    rows = connection.execute(queries.READ_RESERVATIONS, {"order_ids": [m.order_id for m in messages]})
    return {row.order_id: row for row in rows}


def _decide(connection: Connection, orders: Sequence[ReserveStock], failure_rate: float) -> list[Decision]:
    skus = sorted({item.sku for order in orders for item in order.items})
    free = {row.sku: row.on_hand for row in connection.execute(queries.READ_FREE, {"skus": skus})}
    unlucky = {o.order_id for o in orders if happens(f"stock {o.order_id} {o.epoch}", failure_rate)}
    refused = [Decision(o.order_id, o.items, "a simulated failure") for o in orders if o.order_id in unlucky]
    return refused + allocate(free, [order for order in orders if order.order_id not in unlucky])


def _store(connection: Connection, decisions: Sequence[Decision]) -> None:
    statuses = [Reservation.REJECTED if d.refused else Reservation.RESERVED for d in decisions]
    connection.execute(
        queries.STORE_RESERVATIONS,
        {
            "order_ids": [d.order_id for d in decisions],
            "statuses": statuses,
            "items": [json.dumps([item.model_dump() for item in d.items]) for d in decisions],
            "reasons": [d.refused for d in decisions],
        },
    )
    for decision, status in zip(decisions, statuses, strict=True):
        log.info("stock decided", order_id=str(decision.order_id), status=status)


def _end(connection: Connection, reserved: Mapping[UUID, object], status: Reservation) -> None:
    connection.execute(queries.END_RESERVATIONS, {"order_ids": list(reserved), "status": status})
    for order_id in reserved:
        log.info("reservation ended", order_id=str(order_id), status=status)


def _answer(decision: Decision) -> Reply:
    if decision.refused:
        return StockRejected(order_id=decision.order_id, reason=decision.refused)
    return StockReserved(order_id=decision.order_id)


def _came_late(command: Command) -> Reply:
    return StockRejected(order_id=command.order_id, reason="the order was given up before")


def _keep_nothing(_connection: Connection, commands: Sequence[Command]) -> list[Reply]:
    return [StockReleased(order_id=command.order_id) for command in commands]


def _reserved_items(known: Known) -> dict[UUID, tuple[Item, ...]]:
    return {
        order_id: tuple(Item.model_validate(item) for item in row.items)
        for order_id, row in known.items()
        if row.status == Reservation.RESERVED
    }


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
