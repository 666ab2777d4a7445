"""An order's events as the demo shows them: found without an index by order, and without the auditor."""

from uuid import UUID

from sqlalchemy import text

from audit import trace
from contracts.services import SERVICES
from order.app import create_app
from stack import event_trace


def test_events_of_an_order_are_found_wherever_they_are(client_of, engine_of):
    client = client_of(create_app, "order")
    body = {"items": [{"sku": "PIZZA", "quantity": 1}]}
    order, other = (UUID(client.post("/orders", json=body).get_json()["order_id"]) for _ in range(2))
    engines = {service.name: engine_of(service.name, "auditor") for service in SERVICES}

    hops = event_trace._read(engines, order)

    assert [(hop.event, hop.reader, hop.received_ms) for hop in hops] == [
        ("order.created.v1", None, None),
        ("payment.charge.v1", "payment", None),
        ("inventory.reserve.v1", "inventory", None),
    ]
    assert {hop.written_ms for hop in hops} <= set(range(50))
    with engines["order"].connect() as connection:
        mine, theirs = trace.logged(connection, order), trace.logged(connection, other)
    assert len(mine) == len(theirs) == 3
    assert not mine & theirs


def test_what_no_log_knows_is_found_among_the_newest_rows_alone(client_of, engine_of):
    client = client_of(create_app, "order")
    body = {"items": [{"sku": "PIZZA", "quantity": 1}]}
    order = UUID(client.post("/orders", json=body).get_json()["order_id"])
    with engine_of("order", "auditor").connect() as connection:
        assert len(trace.written(connection, order, ())) == 3
    with engine_of("order", "migrator").begin() as owner:
        owner.execute(text("UPDATE outbox SET id = uuidv7(interval '-60 seconds') WHERE sequence > 1"))
    with engine_of("order", "auditor").connect() as connection:
        assert len(trace.written(connection, order, ())) == 1
