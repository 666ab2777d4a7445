"""What services say to one another. Commands are orders, events are facts, refusals are answers.

Every message names its type and topic; its key is the order id. A reader ignores fields it does not
know, so a field may be added; any other change is a new version of the type.
"""

from typing import ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from contracts.values import Item, Money, PricedItem


class Message(BaseModel):
    """A payload. Delivered, it has its record's id and the traceparent of the span in which it is handled."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    topic: ClassVar[str]

    order_id: UUID

    _delivered: tuple[UUID | None, str | None] = PrivateAttr(default=(None, None))

    @property
    def key(self) -> str:
        return str(self.order_id)

    @property
    def event_id(self) -> UUID | None:
        return self._under()[0]

    @property
    def traceparent(self) -> str | None:
        return self._under()[1]

    @classmethod
    def delivered(cls, value: str | bytes, event_id: UUID | None, traceparent: str) -> Self:
        """The message in a record's value, with what it came under. Raises ValidationError."""
        message = cls.model_validate_json(value)
        (message.__pydantic_private__ or {})["_delivered"] = (event_id, traceparent)
        return message

    def _under(self) -> tuple[UUID | None, str | None]:
        """By its place: by its name a private attribute takes ten times as long, for each message."""
        found: tuple[UUID | None, str | None] = (self.__pydantic_private__ or {})["_delivered"]
        return found


class Command(Message):
    """Asks a participant to do one step of a saga, or to undo it.

    `epoch` counts the tries of the step, from 1: a repeat of a command has the same, a new try the next.
    `compensation` commands undo, so they pass a held key.
    """

    step: ClassVar[str]
    compensation: ClassVar[bool] = False

    epoch: int = Field(default=1, ge=1)


class Reply(Message):
    """A participant's answer to a command, with the command's epoch."""

    epoch: int = Field(default=1, ge=1)


class CommandParked(Message):
    """A participant could not handle a command and has set it aside, for people; no answer comes."""

    command: str
    reason: str


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


class ChargePayment(Command):
    type = "payment.charge.v1"
    topic = "payment-commands"
    step = "charge"

    total: Money
    payment_token: str = Field(repr=False)  # for the gateway alone: shown to nobody


class RefundPayment(Command):
    """Give back what was captured of `total`; nothing, where nothing was."""

    type = "payment.refund.v1"
    topic = "payment-commands"
    step = "charge"
    compensation = True

    total: Money


class PaymentCaptured(Reply):
    type = "payment.captured.v1"
    topic = "payment-success"

    total: Money


class PaymentDeclined(Reply):
    type = "payment.declined.v1"
    topic = "payment-failed"

    reason: str


class PaymentRefunded(Reply):
    """Nothing of the order's money is with us any more; `total` is what went back, perhaps 0."""

    type = "payment.refunded.v1"
    topic = "payment-refunded"

    total: Money


class PaymentRefundFailed(Reply):
    """The gateway keeps the money: the refund may be tried again, under a new epoch."""

    type = "payment.refund-failed.v1"
    topic = "payment-failed"

    reason: str


class PaymentCommandParked(CommandParked):
    type = "payment.command-parked.v1"
    topic = "payment-failed"


# ── the order service asks of inventory, and inventory answers


class ReserveStock(Command):
    type = "inventory.reserve.v1"
    topic = "inventory-commands"
    step = "reserve"

    items: tuple[Item, ...]


class ReleaseStock(Command):
    type = "inventory.release.v1"
    topic = "inventory-commands"
    step = "reserve"
    compensation = True


class StockReserved(Reply):
    type = "stock.reserved.v1"
    topic = "stock-reserved"


class StockRejected(Reply):
    type = "stock.rejected.v1"
    topic = "stock-rejected"

    reason: str


class StockReleased(Reply):
    """Nothing is kept for the order any more, perhaps never was."""

    type = "stock.released.v1"
    topic = "stock-released"


class StockCommandParked(CommandParked):
    type = "stock.command-parked.v1"
    topic = "stock-rejected"


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
        PaymentRefundFailed,
        PaymentCommandParked,
        ReserveStock,
        ReleaseStock,
        StockReserved,
        StockRejected,
        StockReleased,
        StockCommandParked,
    )
}
