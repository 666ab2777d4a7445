"""The payment service's use cases, in the order of an order's life. None of them commits.

The gateway is outside the database, so a charge takes two transactions: here the intent is written,
and after the executor made the call, its result is stored and told.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from contracts.messages import (
    ChargePayment,
    Command,
    Message,
    PaymentCaptured,
    PaymentCommandParked,
    PaymentRefunded,
    RefundPayment,
    Reply,
)
from contracts.services import PAYMENT
from messaging import outbox
from messaging.consumer import Consumer
from payment import queries
from payment.gateway import Outcome
from payment.models import Operation, Status
from payment.outcomes import PaymentState, answer, came_late, give_back, refunded, settle
from runtime import logs, trace
from saga import participant

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What the gateway answered to one intent, and the traceparent of the span in which we heard of it."""

    intent_id: UUID
    order_id: UUID
    operation: Operation
    outcome: Outcome
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An intent whose outcome is not known; to be asked for again after some seconds."""

    intent_id: UUID
    order_id: UUID
    ask_again_seconds: float


def lock(connection: Connection, messages: Sequence[Message]) -> None:
    """Lock the fences and the payments that a batch concerns."""
    participant.lock(connection, messages)
    connection.execute(queries.LOCK_PAYMENTS, {"order_ids": [m.order_id for m in messages]})


def request_charges(connection: Connection, charges: Sequence[ChargePayment]) -> list[None]:
    """Write a charge intent for each order; its answer is told when the gateway's is stored."""
    connection.execute(queries.REQUEST_PAYMENTS, _totals(charges))
    _request(connection, Operation.CHARGE, charges, [charge.payment_token for charge in charges])
    return [None for _ in charges]


def request_refunds(connection: Connection, refunds: Sequence[RefundPayment]) -> list[Reply | None]:
    """Write a refund intent for each order whose money is or may be with us.

    A charge that was never tried is withdrawn instead, and the refund of nothing is answered at once.
    """
    wanted = {"order_ids": [refund.order_id for refund in refunds]}
    withdrawn = [row.order_id for row in connection.execute(queries.WITHDRAW_CHARGES, wanted)]
    payments = {i: give_back(payment) for i, payment in _payments(connection, withdrawn).items()}
    _store(connection, payments.values())
    owed = [refund for refund in refunds if refund.order_id not in payments]
    _request(connection, Operation.REFUND, owed, [None for _ in owed])
    return [refunded(payments[r.order_id]) if r.order_id in payments else None for r in refunds]


def refund_nothing(connection: Connection, refunds: Sequence[RefundPayment]) -> list[Reply]:
    """Nothing is with us; an order that nobody charged yet gets a payment that says so."""
    connection.execute(queries.INSERT_REFUNDED, _totals(refunds))
    return [refunded(_new_payment(refund)) for refund in refunds]


def lock_calls(connection: Connection, calls: Sequence[Result | Unanswered]) -> None:
    """Lock the fences and the payments that calls to the gateway concern."""
    participant.lock_steps(connection, [(each.order_id, ChargePayment.step) for each in calls])
    connection.execute(queries.LOCK_PAYMENTS, {"order_ids": [each.order_id for each in calls]})


def store_results(connection: Connection, results: Sequence[Result]) -> None:
    """The second transaction: payments, ledger, fences and replies, for what nobody settled before."""
    rows = connection.execute(queries.SETTLE_INTENTS, {"ids": [r.intent_id for r in results]})
    first = {row.id for row in rows}
    results = [r for r in results if r.intent_id in first]
    if not results:
        return
    before = _payments(connection, [r.order_id for r in results])
    after = {r.order_id: settle(before[r.order_id], r.operation, r.outcome) for r in results}
    spans = {str(r.order_id): r.traceparent for r in results}
    with logs.speaking_of(partial(_ids, spans)):
        _store(connection, after.values())
    _write_ledger(connection, results, before, after)
    told = participant.finish(connection, [_finished(r, after[r.order_id]) for r in results])
    outbox.write(connection, PAYMENT.name, told, spans)


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


def _ids(spans: Mapping[str, str | None], order_id: str) -> dict[str, str]:
    trace_id = trace.trace_id(spans.get(order_id))
    return {"trace_id": trace_id} if trace_id else {}


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


def _new_payment(message: RefundPayment) -> PaymentState:
    return PaymentState(message.order_id, Status.REFUNDED, message.total.amount, message.total.currency)


def _totals(commands: Sequence[ChargePayment | RefundPayment]) -> dict[str, list[Any]]:
    return {
        "order_ids": [command.order_id for command in commands],
        "amounts": [command.total.amount for command in commands],
        "currencies": [command.total.currency for command in commands],
    }


def _request(
    connection: Connection, operation: Operation, commands: Sequence[Command], tokens: Sequence[str | None]
) -> None:
    if commands:
        connection.execute(
            queries.INSERT_INTENTS,
            {
                "operation": operation,
                "order_ids": [command.order_id for command in commands],
                "epochs": [command.epoch for command in commands],
                "payment_tokens": list(tokens),
                "traceparents": [command.traceparent for command in commands],
            },
        )
        connection.execute(queries.WAKE_EXECUTOR)


def _finished(result: Result, payment: PaymentState) -> participant.Result:
    """What an intent's end is to its saga."""
    return participant.Result(
        reply=answer(payment, result.operation, result.outcome),
        step=ChargePayment.step,
        compensation=result.operation is Operation.REFUND,
        good=result.outcome.declined is None,
    )


def _store(connection: Connection, payments: Collection[PaymentState]) -> None:
    if not payments:
        return
    connection.execute(
        queries.STORE_PAYMENTS,
        {
            "order_ids": [p.order_id for p in payments],
            "statuses": [p.status for p in payments],
            "captured": [p.captured for p in payments],
            "refunded": [p.refunded for p in payments],
            "reasons": [p.reason for p in payments],
        },
    )
    for payment in payments:
        log.info("payment settled", order_id=str(payment.order_id), status=payment.status)


def _write_ledger(
    connection: Connection,
    results: Sequence[Result],
    before: Mapping[UUID, PaymentState],
    after: Mapping[UUID, PaymentState],
) -> None:
    """One entry for each result that moved money."""
    moved = [
        (r, after[r.order_id].balance - before[r.order_id].balance, after[r.order_id].currency)
        for r in results
        if after[r.order_id].balance != before[r.order_id].balance
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


def consumer() -> Consumer:
    """What this service does with each message it reads."""
    return Consumer(
        PAYMENT.name,
        lock,
        {
            ChargePayment.type: participant.action(
                request_charges, success=PaymentCaptured, refusal=came_late
            ),
            RefundPayment.type: participant.compensation(
                request_refunds, success=PaymentRefunded, nothing=refund_nothing
            ),
        },
        parked=PaymentCommandParked,
    )
