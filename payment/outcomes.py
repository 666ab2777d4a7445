"""What a payment becomes, and what is told of it: pure."""

from dataclasses import dataclass, replace
from uuid import UUID

from contracts.messages import (
    Command,
    Money,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRefundFailed,
    Reply,
)
from payment.gateway import Outcome
from payment.models import Operation, Status


@dataclass(frozen=True, slots=True)
class PaymentState:
    """An order's money, in minor units."""

    order_id: UUID
    status: Status
    amount: int
    currency: str
    captured: int = 0
    refunded: int = 0
    reason: str | None = None

    @property
    def balance(self) -> int:
        """What is with us of the order's money."""
        return self.captured - self.refunded


def settle(payment: PaymentState, operation: Operation, outcome: Outcome) -> PaymentState:
    """The payment after the gateway's answer. A refused refund leaves the money where it was."""
    if operation is Operation.CHARGE:
        if outcome.declined is not None:
            return replace(payment, status=Status.DECLINED, reason=outcome.declined)
        return replace(payment, status=Status.CAPTURED, captured=payment.amount)
    if outcome.declined is not None:
        return replace(payment, status=Status.CAPTURED, reason=outcome.declined)
    return give_back(payment)


def give_back(payment: PaymentState) -> PaymentState:
    """The payment after all that was captured went back; a declined one shows that it was declined."""
    if payment.status is Status.DECLINED:
        return payment
    return replace(payment, status=Status.REFUNDED, refunded=payment.captured, reason=None)


def answer(payment: PaymentState, operation: Operation, outcome: Outcome) -> Reply:
    """What is told of the gateway's answer, given the payment after it."""
    order_id, declined = payment.order_id, outcome.declined
    if operation is Operation.REFUND:
        if declined is not None:
            return PaymentRefundFailed(order_id=order_id, reason=declined)
        return refunded(payment)
    if declined is not None:
        return PaymentDeclined(order_id=order_id, reason=declined)
    return PaymentCaptured(order_id=order_id, total=_money(payment.captured, payment.currency))


def refunded(payment: PaymentState) -> Reply:
    """That nothing is with us any more."""
    return PaymentRefunded(order_id=payment.order_id, total=_money(payment.refunded, payment.currency))


def came_late(command: Command) -> Reply:
    """The answer to a charge that comes after its refund."""
    return PaymentDeclined(order_id=command.order_id, reason="the order was given up before")


def _money(amount: int, currency: str) -> Money:
    return Money(amount=amount, currency=currency)
