"""The way of an order, as a table that reads top to bottom: what it awaits, what comes, what follows.

PENDING ──charged──▶ PAID ──reserved──▶ COMPLETED
│                   └──rejected──▶ (refund) ──refunded──▶ OUT_OF_STOCK
└──declined──▶ FAILED
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from contracts.messages import (
    Item,
    Message,
    Money,
    OrderCompleted,
    OrderFailed,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    RefundPayment,
    ReserveStock,
    StockRejected,
    StockReserved,
)


class Status(StrEnum):
    """What the customer sees; it never goes back."""

    PENDING = "PENDING"
    PAID = "PAID"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    CANCELLED = "CANCELLED"


class Awaited(StrEnum):
    """The step whose answer the order waits for; none, once it is final."""

    CHARGE = "charge"
    RESERVE = "reserve"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class OrderState:
    """As much of an order as its way depends on."""

    order_id: UUID
    status: Status
    awaits: Awaited | None
    items: tuple[Item, ...]
    total: Money


@dataclass(frozen=True, slots=True)
class Step:
    """Where an answer leads, and what is told on the way."""

    status: Status
    awaits: Awaited | None
    tell: Callable[[OrderState, Message], Message]


@dataclass(frozen=True, slots=True)
class Transition:
    """One step taken by one order."""

    order_id: UUID
    status: Status
    awaits: Awaited | None
    message: Message


def advance(order: OrderState, reply: Message) -> Transition | None:
    """What the reply changes; None when it is not the answer that the order waits for."""
    if order.awaits is None or (step := WAY.get((order.awaits, type(reply)))) is None:
        return None
    return Transition(order.order_id, step.status, step.awaits, step.tell(order, reply))


def _reserve(order: OrderState, _reply: Message) -> Message:
    return ReserveStock(order_id=order.order_id, items=order.items)


def _refund(order: OrderState, _reply: Message) -> Message:
    return RefundPayment(order_id=order.order_id, total=order.total)


def _completed(order: OrderState, _reply: Message) -> Message:
    return OrderCompleted(order_id=order.order_id)


def _declined(order: OrderState, reply: Message) -> Message:
    reason = reply.reason if isinstance(reply, PaymentDeclined) else "declined"
    return OrderFailed(order_id=order.order_id, status=Status.FAILED, reason=reason)


def _out_of_stock(order: OrderState, _reply: Message) -> Message:
    return OrderFailed(order_id=order.order_id, status=Status.OUT_OF_STOCK, reason="out of stock")


WAY: Mapping[tuple[Awaited, type[Message]], Step] = {
    (Awaited.CHARGE, PaymentCaptured): Step(Status.PAID, Awaited.RESERVE, _reserve),
    (Awaited.CHARGE, PaymentDeclined): Step(Status.FAILED, None, _declined),
    (Awaited.RESERVE, StockReserved): Step(Status.COMPLETED, None, _completed),
    (Awaited.RESERVE, StockRejected): Step(Status.PAID, Awaited.REFUND, _refund),
    (Awaited.REFUND, PaymentRefunded): Step(Status.OUT_OF_STOCK, None, _out_of_stock),
}
