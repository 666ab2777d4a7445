"""The delivery service's use case. It never commits."""

from collections.abc import Sequence

from sqlalchemy import Connection

from contracts.messages import DeliveryScheduled, Message, OrderCompleted
from contracts.services import DELIVERY
from delivery import queries
from messaging.consumer import Consumer


def schedule(connection: Connection, orders: Sequence[Message]) -> list[Message]:
    """The orders are complete: each gets a delivery, and that is told."""
    rows = connection.execute(queries.SCHEDULE, {"order_ids": [order.order_id for order in orders]})
    return [DeliveryScheduled(order_id=row.order_id, due_at=row.due_at) for row in rows]


def lock(_connection: Connection, _messages: Sequence[Message]) -> None:
    """Rows are only added, in the order of their ids: there is nothing to lock before."""


def consumer() -> Consumer:
    """What this service does with each message it reads."""
    return Consumer(DELIVERY.name, lock, {OrderCompleted.type: schedule})
