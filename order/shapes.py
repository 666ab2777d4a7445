"""The order service's answers, for its OpenAPI document and for tests."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from order.status import Status
from web.shapes import Amount, Currency, Cursor, Shape
from web.validation import Quantity, Sku


class OrderedItem(Shape):
    sku: Sku
    quantity: Quantity
    unit_price: Amount


class Total(Shape):
    amount: Amount
    currency: Currency


class Order(Shape):
    """An order as it is now."""

    order_id: UUID
    status: Status
    needs_attention: Annotated[bool, Field(description="It waits for a person.")]
    items: list[OrderedItem]
    total: Total
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Orders(Shape):
    """A page of orders, newest first."""

    orders: list[Order]
    next_cursor: Cursor


class PlacedProduct(Shape):
    """An order of one product, just placed."""

    orderId: UUID  # noqa: N815 - the name that this route's callers know
    product: str
    status: Status
