"""The order service's way, reply by reply, on real tables."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.messages import (
    Item,
    Money,
    PaymentDeclined,
    PaymentRefunded,
    StockRejected,
    StockReserved,
)
from messaging.batch import BatchProcessor
from order import handlers, queries
from tests.builders import a_delivery, captured


@pytest.fixture
def shop(engine_of):
    return Shop(engine_of("order"), engine_of("order", "migrator"))


class Shop:
    def __init__(self, engine, owner):
        self.engine, self.owner = engine, owner
        self.processor = BatchProcessor(engine, handlers.consumer())

    def place(self) -> UUID:
        with self.engine.begin() as connection:
            return handlers.place_order(connection, [Item(sku="PIZZA", quantity=1)], "tok_ok").id

    def receives(self, *messages):
        self.processor.process([a_delivery(m) for m in messages])

    def state(self, order_id):
        with self.owner.connect() as connection:
            order = connection.execute(
                text("SELECT status, awaits FROM orders WHERE id = :id"), {"id": order_id}
            ).one()
            told = connection.execute(
                text("SELECT type, sequence FROM outbox WHERE aggregateid = :id ORDER BY sequence"),
                {"id": str(order_id)},
            ).all()
        return order.status, order.awaits, [row.type for row in told], [row.sequence for row in told]


PLACED = ["order.created.v1", "payment.charge.v1"]
PAID = [*PLACED, "inventory.reserve.v1"]


def test_paid_and_reserved_is_completed(shop):
    order = shop.place()

    shop.receives(captured(order))
    assert shop.state(order) == ("PAID", "reserve", PAID, [1, 2, 3])

    shop.receives(StockReserved(order_id=order))
    assert shop.state(order) == ("COMPLETED", None, [*PAID, "order.completed.v1"], [1, 2, 3, 4])


def test_declined_is_failed(shop):
    order = shop.place()

    shop.receives(PaymentDeclined(order_id=order, reason="no"))

    assert shop.state(order) == ("FAILED", None, [*PLACED, "order.failed.v1"], [1, 2, 3])


def test_out_of_stock_is_refunded_first(shop):
    order = shop.place()

    shop.receives(captured(order))
    shop.receives(StockRejected(order_id=order, reason="none left"))
    assert shop.state(order)[:3] == ("PAID", "refund", [*PAID, "payment.refund.v1"])

    shop.receives(PaymentRefunded(order_id=order, total=Money(amount=1250, currency="EUR")))
    assert shop.state(order)[0] == "OUT_OF_STOCK"


def test_replies_of_one_order_in_one_batch_are_taken_in_order(shop):
    orders = [shop.place() for _ in range(3)]

    shop.receives(
        *(captured(order) for order in orders), *(StockReserved(order_id=order) for order in orders)
    )

    assert {shop.state(order)[0] for order in orders} == {"COMPLETED"}


@pytest.mark.parametrize("late", [captured, lambda i: PaymentDeclined(order_id=i, reason="no")])
def test_a_reply_that_is_not_awaited_changes_nothing(shop, late):
    order = shop.place()
    shop.receives(captured(order))
    before = shop.state(order)

    shop.receives(late(order))

    assert shop.state(order) == before


def test_a_reply_for_an_order_that_does_not_exist_is_parked(shop):
    stranger, order = uuid4(), shop.place()

    shop.receives(captured(stranger), captured(order))

    assert shop.state(order)[0] == "PAID"
    with shop.owner.connect() as connection:
        assert connection.execute(text("SELECT key FROM dead_letters")).scalars().all() == [str(stranger)]


def test_an_order_whose_message_is_parked_needs_attention(shop):
    held, well = shop.place(), shop.place()

    shop.processor.process([a_delivery(captured(held), value=b"{}"), a_delivery(captured(well))])

    with shop.engine.connect() as connection:
        attention = {
            row.id: row.needs_attention
            for row in connection.execute(queries.LIST_ORDERS, {"status": None, "after": None, "limit": 9})
        }
    assert attention == {held: True, well: False}
