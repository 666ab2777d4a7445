"""What a payment becomes, and what is told of it: pure."""

from dataclasses import dataclass, replace
from uuid import UUID

from contracts.messages import Message, Money, PaymentCaptured, PaymentDeclined, PaymentRefunded
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


def settle(payment: PaymentState, operation: Operation, outcome: Outcome) -> PaymentState:
    """The payment after the gateway's answer."""
    if operation is Operation.REFUND and payment.status is Status.DECLINED:
        return payment
    if operation is Operation.REFUND:
        return replace(payment, status=Status.REFUNDED, refunded=payment.captured)
    if outcome.declined is not None:
        return replace(payment, status=Status.DECLINED, reason=outcome.declined)
    return replace(payment, status=Status.CAPTURED, captured=payment.amount)


def charge_answer(payment: PaymentState) -> Message | None:
    """What the charge came to; None while it is not known. Money that went back counts as declined."""
    match payment.status:
        case Status.CAPTURED:
            total = Money(amount=payment.captured, currency=payment.currency)
            return PaymentCaptured(order_id=payment.order_id, total=total)
        case Status.DECLINED | Status.REFUNDED:
            return PaymentDeclined(order_id=payment.order_id, reason=payment.reason or "refunded")
        case _:
            return None


def refund_answer(payment: PaymentState) -> Message | None:
    """That nothing is with us any more; None while something is, or may be."""
    if payment.status in {Status.DECLINED, Status.REFUNDED}:
        total = Money(amount=payment.refunded, currency=payment.currency)
        return PaymentRefunded(order_id=payment.order_id, total=total)
    return None
