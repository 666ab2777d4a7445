"""What the customer sees of an order: a status that never goes back, read off its saga. Pure."""

from enum import StrEnum

from saga.state import Cause, Progress, SagaState, SagaStatus, Why


class Status(StrEnum):
    """What the customer sees; it never goes back."""

    PENDING = "PENDING"
    PAID = "PAID"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    CANCELLED = "CANCELLED"


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.OUT_OF_STOCK, Status.CANCELLED})

# How an order ends whose step said no; for every other cause it is CANCELLED.
_REFUSED_AT = {"charge": Status.FAILED, "reserve": Status.OUT_OF_STOCK}

_REASONS = {
    Why.EXPIRED: "an answer did not come in time",
    Why.CANCELLED: "cancelled by the customer",
    Why.OPERATOR: "cancelled by the shop",
}


def status_after(before: Status, saga: SagaState) -> Status:
    """The order's status once its saga is there."""
    if before in FINAL:
        return before
    if saga.status is SagaStatus.COMPLETED:
        return Status.COMPLETED
    if saga.status is SagaStatus.COMPENSATED:
        return ending(saga.cause)
    charge = saga.steps.get("charge")
    return Status.PAID if charge is not None and charge.progress is Progress.DONE else before


def ending(cause: Cause | None) -> Status:
    """How an order ends whose saga was turned round for this cause."""
    if cause is not None and cause.why is Why.REFUSED and cause.step in _REFUSED_AT:
        return _REFUSED_AT[cause.step]
    return Status.CANCELLED


def reason(cause: Cause | None) -> str:
    """The same in words, for people."""
    if cause is None:
        return "unknown"
    return _REASONS.get(cause.why) or cause.detail or "refused"
