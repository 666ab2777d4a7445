"""What workers, executor, clock and API tell of themselves is what they have done in the database."""

from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from inventory import handlers
from messaging.batch import BatchProcessor
from order.app import create_app
from tests.builders import a_delivery, charge, reserve


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@contextmanager
def grows(name, number, **labels):
    before = counted(name, **labels)
    yield
    assert counted(name, **labels) - before == number, (name, labels)


@contextmanager
def becomes(kind, **outcomes):
    """So many messages of a type become what is told."""
    every = ("handled", "duplicate", "parked", "queued", "stray")

    def told():
        labels = {"consumer": "inventory", "type": kind}
        return {each: counted("neverlost_messages_total", **labels, outcome=each) for each in every}

    before = told()
    yield
    after = told()
    assert {each: after[each] - before[each] for each in every if after[each] != before[each]} == outcomes


@pytest.fixture
def processor(engine_of):
    return BatchProcessor(engine_of("inventory"), handlers.consumer())


def test_messages_are_told_by_what_became_of_them(processor):
    good, again = a_delivery(reserve()), a_delivery(reserve())
    bad = a_delivery(reserve(), value=b"{}")
    behind = a_delivery(reserve(), key=bad.key)
    stray = a_delivery(reserve(), headers={"ce_id": "none"})

    with becomes("inventory.reserve.v1", handled=2):
        processor.process([good, again])
    with becomes("inventory.reserve.v1", duplicate=1, stray=1):
        processor.process([again, stray])
    with becomes("inventory.reserve.v1", parked=1, duplicate=1):
        processor.process([bad, good])
    with becomes("inventory.reserve.v1", queued=1):
        processor.process([behind])


def test_what_was_undone_does_not_count(processor, databases, engine_of):
    """A batch whose transaction fails is given again, and counted when it is done."""
    batch = [a_delivery(reserve())]
    hasty = create_engine(
        databases.url("inventory"), connect_args={"options": "-c lock_timeout=200ms"}, poolclass=NullPool
    )
    with engine_of("inventory", "migrator").begin() as other:
        other.execute(text("SELECT 1 FROM stock WHERE sku = 'PIZZA' FOR UPDATE"))
        with becomes("inventory.reserve.v1"), pytest.raises(OperationalError, match="lock timeout"):
            BatchProcessor(hasty, handlers.consumer()).process(batch)

    with becomes("inventory.reserve.v1", handled=1):
        processor.process(batch)


@pytest.mark.parametrize(("token", "outcome"), [("tok_ok", "done"), ("tok_declined", "declined")])
def test_calls_to_the_gateway_are_told_when_they_are_stored(cashier, gateway_at, token, outcome):
    cashier.receives(charge(token=token))

    with (
        grows("neverlost_gateway_calls_total", 1, operation="charge", outcome=outcome),
        grows("neverlost_gateway_call_duration_seconds_count", 1, operation="charge"),
    ):
        cashier.execute(gateway_at())

    assert counted("neverlost_gateway_calls_in_flight") == 0


def test_a_service_serves_what_it_has_counted(client_of):
    orders = client_of(create_app, "order")
    body = {"items": [{"sku": "PIZZA", "quantity": 1}]}
    route = {"service": "order", "route": "/orders", "method": "POST"}

    with (
        grows("neverlost_http_requests_total", 1, **route, status="2xx"),
        grows("neverlost_group_commit_requests_count", 1),
    ):
        orders.post("/orders", json=body)
    page = orders.get("/metrics")

    assert page.content_type.startswith("text/plain")
    told = {each.name for each in text_string_to_metric_families(page.get_data(as_text=True))}
    assert {"neverlost_http_requests", "neverlost_http_request_duration_seconds"} <= told
