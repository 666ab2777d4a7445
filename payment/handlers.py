"""The payment service's use cases, in the order of an order's life. None of them commits.

The gateway is outside the database, so a charge takes two transactions: here the intent is written,
and after the executor made the call, its result is stored and told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Connection

from contracts.messages import ChargePayment, Message, RefundPayment
from contracts.services import PAYMENT
from messaging import outbox
from messaging.consumer import Consumer
from messaging.outbox import Outgoing
from payment import queries
from payment.gateway import Outcome
from payment.models import Operation, Status
from payment.outcomes import PaymentState, charge_answer, refund_answer, settle

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What the gateway answered to one intent."""

    intent_id: UUID
    order_id: UUID
    operation: Operation
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An intent whose outcome is not known; to be asked for again after some seconds."""

    intent_id: UUID
    order_id: UUID
    ask_again_seconds: float


def lock(connection: Connection, messages: Sequence[Message]) -> None:
    """Lock the payments that a batch concerns."""
    connection.execute(queries.LOCK_PAYMENTS, {"order_ids": [m.order_id for m in messages]})


def request_charges(connection: Connection, messages: Sequence[Message]) -> list[Outgoing]:
    """Write a charge intent for each new order; answer again for those that are settled already."""
    known = _payments(connection, [m.order_id for m in messages])
    new = [m for m in messages if isinstance(m, ChargePayment) and m.order_id not in known]
    _insert_payments(connection, [_new_payment(m, Status.REQUESTED) for m in new])
    _request(connection, Operation.CHARGE, {m.order_id: m.payment_token for m in new})
    return _tell(connection, known.values(), charge_answer)


def request_refunds(connection: Connection, messages: Sequence[Message]) -> list[Outgoing]:
    """Write a refund intent where money is or may be with us; say so where there is none.

    A refund before its charge leaves a refunded payment of nothing, which the late charge finds.
    """
    known = _payments(connection, [m.order_id for m in messages])
    unknown = [m for m in messages if isinstance(m, RefundPayment) and m.order_id not in known]
    never_charged = [_new_payment(m, Status.REFUNDED) for m in unknown]
    _insert_payments(connection, never_charged)
    payments = [*known.values(), *never_charged]
    owed = {p.order_id: None for p in payments if refund_answer(p) is None}
    _request(connection, Operation.REFUND, owed)
    return _tell(connection, payments, refund_answer)


def lock_calls(connection: Connection, calls: Sequence[Result | Unanswered]) -> None:
    """Lock the payments that calls to the gateway concern."""
    connection.execute(queries.LOCK_PAYMENTS, {"order_ids": [each.order_id for each in calls]})


def store_results(connection: Connection, results: Sequence[Result]) -> None:
    """The second transaction: payments, ledger and replies, for what nobody settled before."""
    rows = connection.execute(queries.SETTLE_INTENTS, {"ids": [r.intent_id for r in results]})
    first = {row.id for row in rows}
    results = [r for r in results if r.intent_id in first]
    before = _payments(connection, [r.order_id for r in results])
    after = {r.order_id: settle(before[r.order_id], r.operation, r.outcome) for r in results}
    _write_ledger(connection, results, before, after)
    answers = {Operation.CHARGE: charge_answer, Operation.REFUND: refund_answer}
    for operation, answer in answers.items():
        payments = [after[r.order_id] for r in results if r.operation is operation]
        outbox.write(connection, PAYMENT.name, _tell(connection, payments, answer))


def postpone(connection: Connection, executor: str, calls: Sequence[Unanswered]) -> None:
    """The gateway did not say: ask it again later, and let the payments show that it is not known."""
    if not calls:
        return
    connection.execute(
        queries.POSTPONE_INTENTS,
        {
            "executor": executor,
            "ids": [each.intent_id for each in calls],
            "seconds": [each.ask_again_seconds for each in calls],
        },
    )
    connection.execute(queries.MARK_UNKNOWN, {"intent_ids": [each.intent_id for each in calls]})


def _payments(connection: Connection, order_ids: Sequence[UUID]) -> dict[UUID, PaymentState]:
    rows = connection.execute(queries.READ_PAYMENTS, {"order_ids": list(order_ids)})
    return {
        row.order_id: PaymentState(
            order_id=row.order_id,
            status=Status(row.status),
            amount=row.amount,
            currency=row.currency,
            captured=row.captured,
            refunded=row.refunded,
            reason=row.reason,
        )
        for row in rows
    }


def _new_payment(message: ChargePayment | RefundPayment, status: Status) -> PaymentState:
    return PaymentState(message.order_id, status, message.total.amount, message.total.currency)


def _insert_payments(connection: Connection, payments: Sequence[PaymentState]) -> None:
    if payments:
        connection.execute(
            queries.INSERT_PAYMENTS,
            {
                "order_ids": [p.order_id for p in payments],
                "statuses": [p.status for p in payments],
                "amounts": [p.amount for p in payments],
                "currencies": [p.currency for p in payments],
            },
        )


def _request(connection: Connection, operation: Operation, tokens: Mapping[UUID, str | None]) -> None:
    if tokens:
        connection.execute(
            queries.INSERT_INTENTS,
            {
                "operation": operation,
                "order_ids": list(tokens),
                "payment_tokens": list(tokens.values()),
            },
        )
        connection.execute(queries.WAKE_EXECUTOR)


def _tell(
    connection: Connection,
    payments: Iterable[PaymentState],
    answer: Callable[[PaymentState], Message | None],
) -> list[Outgoing]:
    """Store each payment that has an answer, with the next sequence number, and give the answers."""
    answers = {p.order_id: (p, message) for p in payments if (message := answer(p)) is not None}
    if not answers:
        return []
    settled = [payment for payment, _ in answers.values()]
    rows = connection.execute(
        queries.STORE_PAYMENTS,
        {
            "order_ids": [p.order_id for p in settled],
            "statuses": [p.status for p in settled],
            "captured": [p.captured for p in settled],
            "refunded": [p.refunded for p in settled],
            "reasons": [p.reason for p in settled],
        },
    )
    for payment in settled:
        log.info("payment settled", order_id=str(payment.order_id), status=payment.status)
    return [Outgoing(answers[row.order_id][1], row.sequence, str(row.order_id)) for row in rows]


def _write_ledger(
    connection: Connection,
    results: Sequence[Result],
    before: Mapping[UUID, PaymentState],
    after: Mapping[UUID, PaymentState],
) -> None:
    """One entry for each result that moved money."""
    moved = [
        (r, balance(after[r.order_id]) - balance(before[r.order_id]), after[r.order_id].currency)
        for r in results
        if balance(after[r.order_id]) != balance(before[r.order_id])
    ]
    if moved:
        connection.execute(
            queries.WRITE_LEDGER,
            {
                "order_ids": [r.order_id for r, _, _ in moved],
                "operations": [r.operation for r, _, _ in moved],
                "amounts": [amount for _, amount, _ in moved],
                "currencies": [currency for _, _, currency in moved],
                "gateway_references": [r.outcome.reference for r, _, _ in moved],
            },
        )


def balance(payment: PaymentState) -> int:
    """What is with us of the order's money."""
    return payment.captured - payment.refunded


def consumer() -> Consumer:
    """What this service does with each message it reads."""
    return Consumer(
        PAYMENT.name,
        lock,
        {ChargePayment.type: request_charges, RefundPayment.type: request_refunds},
    )
