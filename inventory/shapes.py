"""The inventory service's answers, for its OpenAPI document and for tests."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from inventory.models import Reservation
from web.shapes import Cursor, Shape
from web.validation import Quantity, Sku

Pieces = Annotated[int, Field(ge=0)]


class Stock(Shape):
    """A sku's stock; `on_hand` does not count what is reserved."""

    sku: Sku
    on_hand: Pieces
    reserved: Pieces
    sold: Pieces


class Stocks(Shape):
    """A page of stock, by sku."""

    stock: list[Stock]
    next_cursor: Cursor


class ReservedItem(Shape):
    sku: Sku
    quantity: Quantity


class OrderReservation(Shape):
    """What is kept, or was refused, for one order."""

    order_id: UUID
    status: Reservation
    items: list[ReservedItem]
    reason: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Reservations(Shape):
    """A page of reservations, newest first."""

    reservations: list[OrderReservation]
    next_cursor: Cursor
