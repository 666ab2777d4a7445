"""Money: orders, payments, their ledger, and the gateway's own, row for row (S11). Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from chaos.checker_sagas import FINAL, by_hand
from chaos.evidence import Evidence
from chaos.rows import Order, Payment
from chaos.verdict import Result, result


def s11_money(evidence: Evidence) -> Result:
    asked = (
        "the gateway's own ledger says the same"
        if evidence.gateway is not None
        else "the gateway was not asked"
    )
    return result(
        "S11 money",
        f"Completed orders are paid for once and no other is; payments, ledger and intents agree; {asked}.",
        len(evidence.orders),
        (
            *_balances(evidence),
            *_open_calls(evidence),
            *_ledger_apart(evidence),
            *_gateway_apart(evidence),
        ),
    )


def _balances(evidence: Evidence) -> Iterator[str]:
    """What is with us of each order's money, by the order's end."""
    payments = {payment.order_id: payment for payment in evidence.payments}
    settled = by_hand(evidence)
    for order in evidence.orders:
        payment = payments.get(order.id)
        if payment is None:
            if order.status in FINAL:
                yield f"{order.id} is {order.status} and has no payment"
        elif payment.amount != order.total or payment.status not in _shown(payment):
            yield f"{order.id} of {order.total} has a payment {payment.status} of {payment.amount}"
        elif order.id not in settled and (payment.captured - payment.refunded) not in _due(order):
            yield (
                f"{order.id} of {order.total} is {order.status}: captured {payment.captured},"
                f" refunded {payment.refunded}"
            )
    for order_id in payments.keys() - {order.id for order in evidence.orders}:
        yield f"the payment of {order_id} is for no order"


def _shown(payment: Payment) -> frozenset[str]:
    """What a payment may show: nothing captured can be so for many reasons."""
    if payment.captured:
        return frozenset({"REFUNDED"} if payment.refunded else {"CAPTURED", "UNKNOWN"})
    return frozenset({"REQUESTED", "UNKNOWN", "DECLINED", "REFUNDED"})


def _due(order: Order) -> set[int]:
    if order.status not in FINAL:
        return {0, order.total}
    return {order.total if order.status == "COMPLETED" else 0}


def _open_calls(evidence: Evidence) -> Iterator[str]:
    """What a person has settled, before the gateway said anything, may never be answered."""
    ended = {order.id for order in evidence.orders if order.status in FINAL} - by_hand(evidence)
    for intent in evidence.intents:
        if intent.state == "REQUESTED" and intent.order_id in ended:
            yield f"{intent.order_id} has ended, and its {intent.operation} is still to be made"


def _ledger_apart(evidence: Evidence) -> Iterator[str]:
    """The payments as their ledger has them: captures count up, refunds down."""
    moved = Counter[tuple[str, str]]()
    for entry in evidence.money:
        moved[entry.order_id, entry.operation] += abs(entry.amount)
    for payment in evidence.payments:
        if _of(moved, payment.order_id) != (payment.captured, payment.refunded):
            yield (
                f"{payment.order_id}: the ledger has {_of(moved, payment.order_id)}, the payment"
                f" {_sums(payment)} (captured, refunded)"
            )


def _gateway_apart(evidence: Evidence) -> Iterator[str]:
    """Row for row: every call was meant, and what the gateway did is what was stored."""
    if evidence.gateway is None:
        return
    intents = {intent.id: intent for intent in evidence.intents}
    done, times = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for entry in evidence.gateway:
        intent = intents.get(entry.key)
        if intent is None or intent.operation != entry.operation:
            yield f"the gateway's {entry.operation} {entry.key} was meant by no intent"
        elif entry.declined is None:
            done[intent.order_id, entry.operation] += entry.amount
            times[intent.order_id, entry.operation] += 1
    for (order_id, operation), number in times.items():
        if number > 1:
            yield f"the gateway did {number} times the {operation} of {order_id}"
    yield from _stored_otherwise(evidence, done)


def _stored_otherwise(evidence: Evidence, done: Mapping[tuple[str, str], int]) -> Iterator[str]:
    under_way = {intent.order_id for intent in evidence.intents if intent.state == "REQUESTED"}
    answered = {entry.key for entry in evidence.gateway or ()}
    captured = {payment.order_id for payment in evidence.payments if payment.captured}
    for intent in evidence.intents:
        called = intent.operation == "charge" or intent.order_id in captured
        if called and intent.state == "SETTLED" and intent.id not in answered:
            yield f"the {intent.operation} {intent.id} of {intent.order_id} is settled, not at the gateway"
    for payment in evidence.payments:
        if payment.order_id not in under_way and _of(done, payment.order_id) != _sums(payment):
            yield (
                f"{payment.order_id}: the gateway has {_of(done, payment.order_id)}, the payment"
                f" {_sums(payment)} (captured, refunded)"
            )


def _of(moved: Mapping[tuple[str, str], int], order_id: str) -> tuple[int, int]:
    return moved.get((order_id, "charge"), 0), moved.get((order_id, "refund"), 0)


def _sums(payment: Payment) -> tuple[int, int]:
    return payment.captured, payment.refunded
