"""Money and stock, against the ledgers, the orders and the gateway (S11, S12). Pure."""

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
        (*_balances(evidence), *_ledger_apart(evidence), *_gateway_apart(evidence)),
    )


def s12_stock(evidence: Evidence) -> Result:
    return result(
        "S12 stock",
        "Units are neither made nor lost and never fewer than none, the ledger adds up, what is sold is what"
        " completed orders hold, and nothing is kept for an order that has ended.",
        len(evidence.stock_moves),
        (*_stock_apart(evidence), *_below_zero(evidence), *_wrongly_kept(evidence), *_sold_apart(evidence)),
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
        elif order.id not in settled and (payment.captured - payment.refunded) not in _due(order):
            yield (
                f"{order.id} of {order.total} is {order.status}: captured {payment.captured},"
                f" refunded {payment.refunded}"
            )
    for order_id in payments.keys() - {order.id for order in evidence.orders}:
        yield f"the payment of {order_id} is for no order"


def _due(order: Order) -> set[int]:
    if order.status not in FINAL:
        return {0, order.total}
    return {order.total if order.status == "COMPLETED" else 0}


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


def _stock_apart(evidence: Evidence) -> Iterator[str]:
    sums: dict[str, tuple[int, int, int]] = {}
    for move in evidence.stock_moves:
        on_hand, reserved, sold = sums.get(move.sku, (0, 0, 0))
        sums[move.sku] = on_hand + move.on_hand, reserved + move.reserved, sold + move.sold
    for row in evidence.stock:
        if sums.get(row.sku, (0, 0, 0)) != row[1:]:
            yield f"{row.sku} is {row[1:]}, its ledger has {sums.get(row.sku)} (on hand, reserved, sold)"


def _below_zero(evidence: Evidence) -> Iterator[str]:
    """At no moment: a sku's movements stand in the order in which they happened."""
    now: dict[str, tuple[int, int, int]] = {}
    for move in sorted(evidence.stock_moves, key=lambda each: each.number):
        on_hand, reserved, sold = now.get(move.sku, (0, 0, 0))
        now[move.sku] = on_hand + move.on_hand, reserved + move.reserved, sold + move.sold
        if min(now[move.sku]) < 0:
            yield f"{move.sku} was {now[move.sku]} after movement {move.number} (on hand, reserved, sold)"
        if move.movement != "restock" and move.on_hand + move.reserved + move.sold:
            yield f"movement {move.number} makes or loses units of {move.sku}"


def _wrongly_kept(evidence: Evidence) -> Iterator[str]:
    """Reserved units belong to orders that are under way; a finished one has sold them, or none."""
    orders = {order.id: order.status for order in evidence.orders}
    for kept in evidence.reservations:
        status = orders.get(kept.order_id)
        held = kept.status in {"RESERVED", "SOLD"}
        if (status == "COMPLETED" and kept.status != "SOLD") or (status in FINAL - {"COMPLETED"} and held):
            yield f"{kept.order_id} is {status}, its reservation {kept.status}"
    held_units = Counter[str]()
    for kept in evidence.reservations:
        held_units.update(dict(kept.items) if kept.status == "RESERVED" else {})
    for row in evidence.stock:
        if row.reserved != held_units[row.sku]:
            yield f"{row.reserved} {row.sku} are reserved, reservations hold {held_units[row.sku]}"


def _sold_apart(evidence: Evidence) -> Iterator[str]:
    sold = Counter[str]()
    for order in evidence.orders:
        sold.update(dict(order.items) if order.status == "COMPLETED" else {})
    for row in evidence.stock:
        if row.sold != sold[row.sku]:
            yield f"{row.sold} {row.sku} are sold, completed orders hold {sold[row.sku]}"
