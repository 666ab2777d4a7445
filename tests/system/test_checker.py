"""The checker on a system that works: it finds nothing, and finds what is then damaged in its evidence."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.checker import check
from chaos.evidence import Evidence
from tests.invariants import gathered
from tests.running_system import FINAL

KINDS = [
    ("PIZZA", "tok_ok"),
    ("LAPTOP", "tok_ok"),
    ("PIZZA", "tok_declined"),
    ("SOLD-OUT", "tok_ok"),
    ("PHONE", "tok_slow"),
    ("PIZZA", "tok_timeout_charged"),
    ("PIZZA", "tok_error_then_ok"),
]


@pytest.fixture(scope="module")
def evidence(system):
    """Of a hundred orders of all kinds, some cancelled, on top of whatever other tests have left."""
    placed = [system.place(sku, 1 + n % 3, token) for n in range(15) for sku, token in KINDS]
    for order_id in placed[::10]:
        system.post(f"/orders/{order_id}/cancel", {})
    found = gathered(system)
    assert {order.status for order in found.orders if order.id in placed} <= FINAL
    return found


def broken(evidence: Evidence) -> set[str]:
    return {each.name.split()[0] for each in check(evidence, ()) if each.verdict == "invalid"}


def test_nothing_is_found_where_nothing_is_wrong(evidence):
    assert broken(evidence) == set()


def middle(rows, where: Callable = lambda _row: True):
    """One of many, so that it is none that anything begins or ends with."""
    found = [row for row in rows if where(row)]
    return found[len(found) // 2]


def changed(evidence, table, where: Callable, **values):
    rows = getattr(evidence, table)
    row = middle(rows, where)
    return replace(evidence, **{table: tuple(row._replace(**values) if r is row else r for r in rows)})


def without(evidence, table, where: Callable):
    row = middle(getattr(evidence, table), where)
    return replace(evidence, **{table: tuple(r for r in getattr(evidence, table) if r is not row)})


def is_read(row) -> bool:
    return row.topic == "payment-success"


DAMAGE = {
    "an event lost on the way": ("S4", lambda e: without(e, "records", is_read)),
    "an event twice": (
        "S5",
        lambda e: replace(e, records=(*e.records, middle(e.records)._replace(offset=10**9))),
    ),
    "a phantom": ("S6", lambda e: without(e, "outbox", lambda row: row.topic == "order-created")),
    "two readings": ("S7", lambda e: changed(e, "reread", is_read, id="another")),
    "another payload": ("S8", lambda e: changed(e, "records", is_read, digest="0" * 64)),
    "an effect twice": ("S9", lambda e: replace(e, money=(*e.money, middle(e.money)))),
    "a message passed over": ("S10", lambda e: without(e, "inbox", is_read)),
    "money kept": ("S11", lambda e: changed(e, "payments", lambda row: row.refunded, refunded=0)),
    "charged twice": (
        "S11",
        lambda e: replace(e, gateway=(*e.gateway, middle(e.gateway, lambda g: not g.declined))),
    ),
    "a unit too many": ("S12", lambda e: changed(e, "stock", lambda row: row.sku == "PIZZA", on_hand=5)),
    "an end after the end": ("S13", lambda e: changed(e, "sagas", lambda row: row.cause, status="RUNNING")),
    "not undone": ("S14", lambda e: changed(e, "fences", lambda row: row.state == "undone", state="done")),
    "moved apart from its event": ("S1", lambda e: changed(e, "money", lambda _row: True, xact=-1)),
}


@pytest.mark.parametrize(("meant", "damage"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_to_it_is_found(evidence, meant, damage):
    assert meant in broken(damage(evidence))
