"""Evidence is gathered as an auditor: every table as it is, and nothing can be changed on the way."""

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chaos.collect import connected, read_database
from chaos.evidence import Endpoints
from chaos.rest import at_rest
from contracts.messages import Item
from contracts.services import AUDITOR_ROLE, SERVICES
from order import handlers
from order.saga import Patience


@pytest.fixture
def endpoints(databases, migrated):
    password = (migrated[1] / AUDITOR_ROLE).read_text().strip()
    return Endpoints(
        bootstrap_servers="127.0.0.1:1",
        databases={
            s.name: databases.admin(s.name).set(username=AUDITOR_ROLE, password=password) for s in SERVICES
        },
    )


@pytest.fixture
def order_id(engine_of):
    with engine_of("order").begin() as connection:
        sagas = handlers.orchestrator(Patience())
        items = [Item(sku="PIZZA", quantity=2), Item(sku="LAPTOP", quantity=1)]
        [order] = handlers.place_orders(connection, sagas, [handlers.Basket(items, "tok_ok")])
        return str(order.id)


def test_an_order_is_read_with_all_that_belongs_to_it(endpoints, engine_of, order_id):
    found = read_database(endpoints, "order")

    [order], [saga] = found["orders"], found["sagas"]
    assert (order.id, order.status, order.items) == (order_id, "PENDING", (("LAPTOP", 1), ("PIZZA", 2)))
    assert (saga.id, saga.status, saga.cause) == (order_id, "RUNNING", None)
    assert [line.kind for line in found["saga_log"]] == ["begun", "event", "command", "command"]
    created, charge, reserve = found["outbox"]
    assert (created.type, created.sequence, charge.type, charge.sequence) == (
        "order.created.v1",
        1,
        "payment.charge.v1",
        2,
    )
    assert created.xact == charge.xact
    with engine_of("order", "migrator").connect() as connection:
        payloads = connection.scalars(text("SELECT payload::text FROM outbox ORDER BY id")).all()
    assert [e.digest for e in (created, charge, reserve)] == [
        hashlib.sha256(p.encode()).hexdigest() for p in payloads
    ]


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_every_table_can_be_read(endpoints, service):
    found = read_database(endpoints, service)

    assert {"outbox", "replays", "inbox", "dead_letters"} < set(found)
    assert found["inbox"] == []


def test_the_seeded_stock_is_in_the_ledger(endpoints):
    found = read_database(endpoints, "inventory")

    units = {move.sku: move.on_hand for move in found["stock_moves"]}
    assert {row.sku: row.on_hand for row in found["stock"] if row.on_hand} == units


def test_nothing_can_be_changed(endpoints, order_id):
    with (
        pytest.raises(DBAPIError, match="read-only transaction"),
        connected(endpoints, "order") as connection,
    ):
        connection.execute(text("DELETE FROM orders"))


def test_what_is_still_under_way_is_named(endpoints, order_id):
    assert at_rest(endpoints, 0) == [f"sagas under way: 1 ({order_id})"]


def test_what_cannot_be_asked_counts_as_open(endpoints, free_port):
    away = {
        service: url.set(host="127.0.0.1", port=free_port()) for service, url in endpoints.databases.items()
    }

    [told] = at_rest(replace(endpoints, databases=away), 0)

    assert told.startswith("it cannot be told: ")
