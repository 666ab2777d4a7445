"""The order service's use cases. None of them commits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row

from contracts.messages import (
    ChargePayment,
    Item,
    Message,
    Money,
    OrderCompleted,
    OrderCreated,
    OrderFailed,
    PaymentCommandParked,
    PricedItem,
    RefundPayment,
    ReleaseStock,
    ReserveStock,
    StockCommandParked,
)
from contracts.services import ORDER
from messaging.consumer import Consumer
from order import queries
from order.saga import Patience, definitions
from order.status import FINAL, Status, reason, status_after
from runtime import trace
from saga import heartbeats
from saga.kind import Change, SagaKind
from saga.orchestrator import Beginning, Orchestrator
from saga.state import Progress

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Basket:
    """What a customer wants to order, and pay with, and the span of the request that says so."""

    items: Sequence[Item]
    payment_token: str
    traceparent: str = field(default_factory=trace.begin)


@dataclass(frozen=True, slots=True)
class Priced:
    """A basket at the catalogue's prices."""

    items: tuple[PricedItem, ...]
    total: Money
    payment_token: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class CannotOrder:
    """Why an item cannot be ordered; `position` is its place in the basket."""

    position: int
    why: str


def orchestrator(patience: Patience) -> Orchestrator:
    """What moves orders along their way."""
    return Orchestrator(
        SagaKind(
            ORDER.name,
            definitions(patience),
            commands={
                ChargePayment: _charge,
                RefundPayment: _refund,
                ReserveStock: _reserve,
                ReleaseStock: _release,
            },
            subjects=_orders,
            follow=_follow,
        )
    )


def place_orders(
    connection: Connection, sagas: Orchestrator, baskets: Sequence[Basket]
) -> list[Row[Any] | CannotOrder]:
    """Accept orders at the catalogue's prices: their rows, events, sagas and first commands.

    Each basket's row, or why it cannot be ordered, in their order. However many there are, it takes the same
    few statements.
    """
    skus = {item.sku for basket in baskets for item in basket.items}
    catalogue = {row.sku: row for row in connection.execute(queries.PRICES, {"skus": sorted(skus)})}
    bids = [_price(catalogue, basket) for basket in baskets]
    priced = [bid for bid in bids if isinstance(bid, Priced)]
    orders = iter(_insert(connection, sagas, priced) if priced else ())
    return [next(orders) if isinstance(bid, Priced) else bid for bid in bids]


def _insert(connection: Connection, sagas: Orchestrator, priced: Sequence[Priced]) -> list[Row[Any]]:
    orders = connection.execute(
        queries.INSERT_ORDERS,
        {
            "items": [json.dumps([item.model_dump() for item in each.items]) for each in priced],
            "totals": [each.total.amount for each in priced],
            "currencies": [each.total.currency for each in priced],
            "payment_tokens": [each.payment_token for each in priced],
        },
    ).all()
    beginnings = [
        Beginning(
            order.id,
            order,
            (OrderCreated(order_id=order.id, items=each.items, total=each.total),),
            each.traceparent,
        )
        for order, each in zip(orders, priced, strict=True)
    ]
    sagas.begin(connection, beginnings, orders[0].created_at)
    return list(orders)


def _price(catalogue: Mapping[str, Row[Any]], basket: Basket) -> Priced | CannotOrder:
    for position, item in enumerate(basket.items):
        if item.sku not in catalogue:
            return CannotOrder(position, f"{item.sku!r} is not in the catalogue")
        if catalogue[item.sku].currency != catalogue[basket.items[0].sku].currency:
            return CannotOrder(position, f"{item.sku!r} is not sold in the currency of the first item")
    items = tuple(
        PricedItem(sku=item.sku, quantity=item.quantity, unit_price=catalogue[item.sku].unit_price)
        for item in basket.items
    )
    amount = sum(item.unit_price * item.quantity for item in items)
    total = Money(amount=amount, currency=catalogue[items[0].sku].currency)
    return Priced(items, total, basket.payment_token, basket.traceparent)


def _orders(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, Row[Any]]:
    return {row.id: row for row in connection.execute(queries.READ_ORDERS, {"ids": list(ids)})}


def _follow(connection: Connection, changes: Sequence[Change]) -> list[Message]:
    """Bring orders in step with their sagas; what is told of those that have come to their end."""
    moved = {
        change.after.saga_id: status
        for change in changes
        if (status := status_after(Status(change.subject.status), change.after)) != change.subject.status
    }
    if moved:
        connection.execute(queries.MOVE_ORDERS, {"ids": list(moved), "statuses": list(moved.values())})
    if charged := [c.after.saga_id for c in changes if c.after.saga_id not in moved and _is_charged(c)]:
        connection.execute(queries.FORGET_TOKENS, {"ids": charged})
    for order_id, status in moved.items():
        log.info("order moved", order_id=str(order_id), status=status)
    return [
        _ended(change, moved[change.after.saga_id])
        for change in changes
        if moved.get(change.after.saga_id) in FINAL
    ]


def _is_charged(change: Change) -> bool:
    """Whether nobody will be asked to charge this order any more."""
    charge = change.after.steps.get("charge")
    return charge is not None and charge.progress not in {Progress.ASKED, Progress.RETRYING}


def _ended(change: Change, status: Status) -> Message:
    order_id = change.after.saga_id
    if status is Status.COMPLETED:
        return OrderCompleted(order_id=order_id)
    return OrderFailed(order_id=order_id, status=status, reason=reason(change.after.cause))


def _total(order: Row[Any]) -> Money:
    return Money(amount=order.total_amount, currency=order.currency)


def _charge(order: Row[Any], epoch: int) -> ChargePayment:
    token = order.payment_token or "forgotten"
    return ChargePayment(order_id=order.id, epoch=epoch, total=_total(order), payment_token=token)


def _refund(order: Row[Any], epoch: int) -> RefundPayment:
    return RefundPayment(order_id=order.id, epoch=epoch, total=_total(order))


def _reserve(order: Row[Any], epoch: int) -> ReserveStock:
    items = tuple(Item.model_validate(item) for item in order.items)
    return ReserveStock(order_id=order.id, epoch=epoch, items=items)


def _release(order: Row[Any], epoch: int) -> ReleaseStock:
    return ReleaseStock(order_id=order.id, epoch=epoch)


def consumer(patience: Patience | None = None) -> Consumer:
    """What this service does with each message it reads: all are answers that sagas may wait for."""
    sagas = orchestrator(patience or Patience())
    answers = [reply for definition in sagas.kind.definitions for reply in definition.routes]
    parked = [PaymentCommandParked.type, StockCommandParked.type]
    return Consumer(
        ORDER.name,
        lambda connection, messages: sagas.lock(connection, [UUID(m.key) for m in messages]),
        dict.fromkeys([*answers, *parked], sagas.handle),
        see=heartbeats.see,
        folds=True,
    )
