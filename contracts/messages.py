"""What services say to one another. Commands are orders, events are facts, refusals are answers.

Every message names its type and topic; its key is the order id. A reader ignores fields it does not
know, so a field may be added; any other change is a new version of the type.
"""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """A payload. `compensation` messages undo something, so they pass a held key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    topic: ClassVar[str]
    compensation: ClassVar[bool] = False

    order_id: UUID

    @property
    def key(self) -> str:
        return str(self.order_id)


class Item(BaseModel):
    """So many of one stock keeping unit."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sku: str
    quantity: int = Field(ge=1)


class PricedItem(Item):
    """An item at the price of the catalogue, in minor units."""

    unit_price: int = Field(ge=0)


class Money(BaseModel):
    """An amount in minor units (cents) and its ISO 4217 code."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    amount: int = Field(ge=0)
    currency: str = Field(min_length=3, max_length=3)


# ── the order service announces


class OrderCreated(Message):
    type = "order.created.v1"
    topic = "order-created"

    items: tuple[PricedItem, ...]
    total: Money


class OrderCompleted(Message):
    type = "order.completed.v1"
    topic = "order-completed"


class OrderFailed(Message):
    """The order ended without completing; `status` is the final one, `reason` is for people."""

    type = "order.failed.v1"
    topic = "order-failed"

    status: str
    reason: str


# ── the order service asks of payment, and payment answers


class ChargePayment(Message):
    type = "payment.charge.v1"
    topic = "payment-commands"

    total: Money
    payment_token: str


class RefundPayment(Message):
    """Give back what was captured of `total`; nothing, where nothing was."""

    type = "payment.refund.v1"
    topic = "payment-commands"
    compensation = True

    total: Money


class PaymentCaptured(Message):
    type = "payment.captured.v1"
    topic = "payment-success"

    total: Money


class PaymentDeclined(Message):
    type = "payment.declined.v1"
    topic = "payment-failed"

    reason: str


class PaymentRefunded(Message):
    """Nothing of the order's money is with us any more; `total` is what went back, perhaps 0."""

    type = "payment.refunded.v1"
    topic = "payment-refunded"

    total: Money


# ── the order service asks of inventory, and inventory answers


class ReserveStock(Message):
    type = "inventory.reserve.v1"
    topic = "inventory-commands"

    items: tuple[Item, ...]


class ReleaseStock(Message):
    type = "inventory.release.v1"
    topic = "inventory-commands"
    compensation = True


class StockReserved(Message):
    type = "stock.reserved.v1"
    topic = "stock-reserved"


class StockRejected(Message):
    type = "stock.rejected.v1"
    topic = "stock-rejected"

    reason: str


class StockReleased(Message):
    type = "stock.released.v1"
    topic = "stock-released"


MESSAGES: dict[str, type[Message]] = {
    message.type: message
    for message in (
        OrderCreated,
        OrderCompleted,
        OrderFailed,
        ChargePayment,
        RefundPayment,
        PaymentCaptured,
        PaymentDeclined,
        PaymentRefunded,
        ReserveStock,
        ReleaseStock,
        StockReserved,
        StockRejected,
        StockReleased,
    )
}


def schema(message: type[Message]) -> dict[str, Any]:
    """The JSON Schema of a payload, as it is committed under contracts/schemas/."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": message.type,
        **message.model_json_schema(),
    }
