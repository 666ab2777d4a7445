"""An order that is complete gets one delivery, which is told once, in the same transaction."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from delivery.handlers import consumer
from messaging.batch import BatchProcessor
from tests.builders import a_delivery, completed


@pytest.fixture
def processor(engine_of):
    return BatchProcessor(engine_of("delivery"), consumer())


@pytest.fixture
def rows(engine_of):
    """A function that gives what a statement finds, as the owner of the tables."""

    def run(statement):
        with engine_of("delivery", "migrator").begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    return run


def test_a_complete_order_is_scheduled_and_told(processor, rows):
    orders = [uuid4() for _ in range(3)]

    processor.process([a_delivery(completed(order)) for order in orders])

    assert {row[0] for row in rows("SELECT order_id FROM deliveries")} == set(orders)
    told = rows("SELECT aggregateid, type, topic, sequence, payload ->> 'due_at' FROM outbox")
    assert {row[0] for row in told} == {str(order) for order in orders}
    assert {row[1:4] for row in told} == {("delivery.scheduled.v1", "delivery-scheduled", 1)}
    assert all(row[4] for row in told)


def test_the_same_event_again_changes_nothing(processor, rows):
    event = a_delivery(completed(uuid4()))
    processor.process([event])
    before = rows("SELECT * FROM deliveries")

    processor.process([event])

    assert rows("SELECT * FROM deliveries") == before
    assert rows("SELECT count(*) FROM outbox") == [(1,)]


def test_what_it_cannot_read_is_parked_and_holds_nobody_else(processor, rows):
    good = uuid4()

    processor.process([a_delivery(completed(uuid4()), value=b"{"), a_delivery(completed(good))])

    assert rows("SELECT order_id FROM deliveries") == [(good,)]
    assert rows("SELECT count(*) FROM dead_letters") == [(1,)]
