"""Orders through the whole system, each to its end."""

import pytest

from contracts.services import SERVICES
from tests.invariants import assert_nothing_lost_or_doubled

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("sku", "token", "status", "captured", "refunded"),
    [
        ("PIZZA", "tok_ok", "COMPLETED", 1250, 0),
        ("PIZZA", "tok_declined", "FAILED", 0, 0),
        ("SOLD-OUT", "tok_ok", "OUT_OF_STOCK", 990, 990),
    ],
)
def test_an_order_ends(system, sku, token, status, captured, refunded):
    order = system.place(sku, token=token, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")

    assert system.final_status(order) == status
    [payment] = system.get(f"/payments?order_id={order}", "payment")["payments"]
    assert (payment["captured"], payment["refunded"]) == (captured, refunded)
    assert traces(system, order) == {TRACE}


def traces(system, order):
    """Those of the order's events. All but the first few know theirs by a record's header alone."""
    rows = f"SELECT split_part(traceparent, '-', 2) FROM outbox WHERE aggregateid = '{order}'"
    return {trace_id for service in SERVICES for (trace_id,) in system.query(service.name, rows)}


def test_a_crowd_of_orders_ends_and_everything_agrees(system):
    accepted = [system.place("LAPTOP", 1 + n % 3) for n in range(30)]
    accepted += [system.place(token="tok_declined") for _ in range(10)]
    accepted += [system.place("SOLD-OUT") for _ in range(10)]

    assert_nothing_lost_or_doubled(system, accepted)
