"""Things that tests are about, with defaults for all that a test does not care for."""

import time
from itertools import count
from uuid import UUID, uuid4

from contracts.messages import (
    ChargePayment,
    Item,
    Message,
    Money,
    OrderCompleted,
    PaymentCaptured,
    RefundPayment,
    ReleaseStock,
    ReserveStock,
)
from messaging.envelope import Delivery

EUROS = Money(amount=1250, currency="EUR")
_offsets = count()


def an_event_id() -> UUID:
    """A UUIDv7 of now."""
    moment = time.time_ns() // 1_000_000
    return UUID(int=(moment << 80) | (0x7 << 76) | (uuid4().int & ((1 << 76) - 1)))


def a_delivery(message: Message, **changes) -> Delivery:
    """The record that the relay would make of a message."""
    event_id = changes.pop("event_id", None) or an_event_id()
    headers = {
        "id": str(event_id),
        "ce_id": str(event_id),
        "ce_type": message.type,
        "ce_source": "/test",
        "ce_time": "2026-01-01T00:00:00Z",
        "sequence": "1",
        **changes.pop("headers", {}),
    }
    values = {
        "topic": message.topic,
        "partition": 0,
        "offset": next(_offsets),
        "key": message.key,
        "value": message.model_dump_json().encode(),
        "headers": headers,
    }
    return Delivery(**{**values, **changes})


def reserve(
    sku: str = "PIZZA", quantity: int = 1, order_id: UUID | None = None, epoch: int = 1
) -> ReserveStock:
    items = (Item(sku=sku, quantity=quantity),)
    return ReserveStock(order_id=order_id or uuid4(), items=items, epoch=epoch)


def release(order_id: UUID | None = None, epoch: int = 1) -> ReleaseStock:
    return ReleaseStock(order_id=order_id or uuid4(), epoch=epoch)


def completed(order_id: UUID) -> OrderCompleted:
    return OrderCompleted(order_id=order_id)


def charge(
    amount: int = 1250, token: str = "tok_ok", order_id: UUID | None = None, epoch: int = 1
) -> ChargePayment:
    total = Money(amount=amount, currency="EUR")
    return ChargePayment(order_id=order_id or uuid4(), total=total, payment_token=token, epoch=epoch)


def refund(order_id: UUID, amount: int = 1250, epoch: int = 1) -> RefundPayment:
    return RefundPayment(order_id=order_id, total=Money(amount=amount, currency="EUR"), epoch=epoch)


def captured(order_id: UUID, amount: int = 1250) -> PaymentCaptured:
    return PaymentCaptured(order_id=order_id, total=Money(amount=amount, currency="EUR"))
