"""The way of an order, as a table that reads top to bottom: do, undo, and how long each may take.

Charge and reserve are asked for together. The pivot is passed when both are done: the commit that takes the
second answer completes the order. Until then a refusal, a deadline or the customer turns the order round,
and whatever was done, or may have been, is undone.
"""

from dataclasses import dataclass

from contracts.messages import (
    ChargePayment,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRefundFailed,
    RefundPayment,
    ReleaseStock,
    ReserveStock,
    StockRejected,
    StockReleased,
    StockReserved,
)
from saga.definition import Definition, Parallel, Retry, Step, Undo

REFUND_TRIES = Retry(attempts=5, first_seconds=1.0, most_seconds=30.0)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take, in seconds of the database's clock."""

    action_seconds: float = 900.0
    undo_seconds: float = 1800.0


def definitions(patience: Patience) -> tuple[Definition, ...]:
    """Every version that an order may still be under way on, oldest first."""
    charge, reserve = _charge(patience), _reserve(patience)
    return (
        # One after the other: four hops of the relays until an order is complete.
        Definition("order", version=1, steps=(charge, reserve)),
        # Side by side: two.
        Definition("order", version=2, steps=(Parallel((charge, reserve)),)),
    )


def _charge(patience: Patience) -> Step:
    return Step(
        ChargePayment,
        success=PaymentCaptured,
        failure=PaymentDeclined,
        deadline_seconds=patience.action_seconds,
        undo=Undo(
            RefundPayment,
            success=PaymentRefunded,
            failure=PaymentRefundFailed,
            deadline_seconds=patience.undo_seconds,
            retry=REFUND_TRIES,
        ),
    )


def _reserve(patience: Patience) -> Step:
    return Step(
        ReserveStock,
        success=StockReserved,
        failure=StockRejected,
        deadline_seconds=patience.action_seconds,
        pivot=True,
        undo=Undo(ReleaseStock, success=StockReleased, deadline_seconds=patience.undo_seconds),
    )


# Checked here, at import: an unsound table starts no process.
NEWEST = definitions(Patience())[-1]
