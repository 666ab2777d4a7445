"""The order service's use cases, in the order of an order's life. None of them commits."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row

from contracts.messages import (
    ChargePayment,
    Item,
    Message,
    Money,
    OrderCreated,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PricedItem,
    StockRejected,
    StockReleased,
    StockReserved,
)
from contracts.services import ORDER
from messaging import outbox
from messaging.consumer import Consumer
from messaging.errors import MessageFault
from messaging.outbox import Outgoing
from order import queries
from order.saga import Awaited, OrderState, Status, Transition, advance

log = structlog.get_logger(__name__)


class CannotOrder(Exception):  # noqa: N818 - an answer to the caller, not a failure
    """Why an item cannot be ordered; `position` is its place in the order."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


def place_order(connection: Connection, items: Sequence[Item], payment_token: str) -> Row[Any]:
    """Accept an order at the catalogue's prices: its row, its event and its first command, together."""
    priced, currency = _price(connection, items)
    total = Money(amount=sum(item.unit_price * item.quantity for item in priced), currency=currency)
    order = connection.execute(
        queries.INSERT_ORDER,
        {
            "status": Status.PENDING,
            "awaits": Awaited.CHARGE,
            "items": json.dumps([item.model_dump() for item in priced]),
            "total": total.amount,
            "currency": total.currency,
            "sequence": 2,
        },
    ).one()
    created = OrderCreated(order_id=order.id, items=tuple(priced), total=total)
    charge = ChargePayment(order_id=order.id, total=total, payment_token=payment_token)
    saga = str(order.id)
    outbox.write(connection, ORDER.name, [Outgoing(created, 1, saga), Outgoing(charge, 2, saga)])
    return order


def lock(connection: Connection, replies: Sequence[Message]) -> None:
    """Lock every order that a batch concerns."""
    connection.execute(queries.LOCK_ORDERS, {"ids": [reply.order_id for reply in replies]})


def follow_replies(connection: Connection, replies: Sequence[Message]) -> list[Outgoing]:
    """Move each order along its way: state, and what follows from it, in the caller's transaction."""
    orders = _read_orders(connection, replies)
    moves: list[Transition] = []
    for reply in replies:
        if move := advance(orders[reply.order_id], reply):
            moves.append(move)
        else:
            awaits = orders[reply.order_id].awaits
            log.info("reply ignored", order_id=reply.key, type=reply.type, awaits=awaits)
    return _store(connection, moves)


def _price(connection: Connection, items: Sequence[Item]) -> tuple[list[PricedItem], str]:
    catalogue = {
        row.sku: row for row in connection.execute(queries.PRICES, {"skus": [item.sku for item in items]})
    }
    for position, item in enumerate(items):
        if item.sku not in catalogue:
            raise CannotOrder(position, f"{item.sku!r} is not in the catalogue")
        if catalogue[item.sku].currency != catalogue[items[0].sku].currency:
            raise CannotOrder(position, f"{item.sku!r} is not sold in the currency of the first item")
    priced = [
        PricedItem(sku=item.sku, quantity=item.quantity, unit_price=catalogue[item.sku].unit_price)
        for item in items
    ]
    return priced, catalogue[items[0].sku].currency


def _read_orders(connection: Connection, replies: Sequence[Message]) -> dict[UUID, OrderState]:
    ids = [reply.order_id for reply in replies]
    rows = connection.execute(queries.READ_ORDERS, {"ids": ids})
    orders = {row.id: _state(row) for row in rows}
    for order_id in ids:
        if order_id not in orders:
            raise MessageFault(f"there is no order {order_id}")
    return orders


def _state(row: Row[Any]) -> OrderState:
    return OrderState(
        order_id=row.id,
        status=Status(row.status),
        awaits=Awaited(row.awaits) if row.awaits else None,
        items=tuple(Item.model_validate(item) for item in row.items),
        total=Money(amount=row.total_amount, currency=row.currency),
    )


def _store(connection: Connection, moves: Sequence[Transition]) -> list[Outgoing]:
    if not moves:
        return []
    rows = connection.execute(
        queries.MOVE_ORDERS,
        {
            "ids": [move.order_id for move in moves],
            "statuses": [move.status for move in moves],
            "awaits": [move.awaits for move in moves],
        },
    )
    sequences = {row.id: row.sequence for row in rows}
    for move in moves:
        log.info("order moved", order_id=str(move.order_id), status=move.status, tells=move.message.type)
    return [Outgoing(move.message, sequences[move.order_id], str(move.order_id)) for move in moves]


def consumer() -> Consumer:
    """What this service does with each message it reads."""
    return Consumer(
        ORDER.name,
        lock,
        {
            reply.type: follow_replies
            for reply in (
                PaymentCaptured,
                PaymentDeclined,
                PaymentRefunded,
                StockReserved,
                StockRejected,
                StockReleased,
            )
        },
    )
