"""The inventory service's answers, for its OpenAPI document and for tests."""

from typing import Annotated

from pydantic import Field

from web.shapes import Cursor, Shape
from web.validation import Sku

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
