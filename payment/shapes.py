"""The payment service's answers, for its OpenAPI document and for tests."""

from typing import Literal
from uuid import UUID

from payment.models import Status
from web.shapes import Amount, Currency, Cursor, Shape


class Payment(Shape):
    """A payment, and what became of it."""

    payment_id: UUID
    order_id: UUID
    status: Status
    captured: Amount
    refunded: Amount
    currency: Currency


class Payments(Shape):
    """A page of payments, newest first."""

    payments: list[Payment]
    next_cursor: Cursor


class Taken(Shape):
    """What a webhook said is known now."""

    status: Literal["taken"]
