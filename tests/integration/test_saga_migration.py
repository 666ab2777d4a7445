"""Orders from before there were sagas, in every state: they go on where they were, and end as they should."""

from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import text

from contracts.messages import PaymentCaptured, PaymentDeclined, PaymentRefunded, StockRejected, StockReserved
from messaging.batch import BatchProcessor
from order import handlers
from order.saga import Patience, definitions
from saga import people, versions
from saga.people import By, NotPossible
from tests.builders import EUROS, a_delivery

# By where the order is: status, what it awaits, and how many messages it has told.
ORDERS = {
    "waits for its charge": ("PENDING", "charge", 2),
    "waits for its stock": ("PAID", "reserve", 3),
    "waits for its refund": ("PAID", "refund", 4),
    "completed": ("COMPLETED", None, 4),
    "failed": ("FAILED", None, 3),
    "out of stock": ("OUT_OF_STOCK", None, 5),
    "cancelled": ("CANCELLED", None, 4),
}
IDS = {name: UUID(int=number) for number, name in enumerate(ORDERS, start=1)}
UNDER_WAY = [name for name, (_, awaits, _) in ORDERS.items() if awaits]


@pytest.fixture
def shop(engine_of, migrate):
    owner = engine_of("order", "migrator")
    migrate("order", command.downgrade, "0001")
    with owner.begin() as connection:
        for name, (status, awaits, sequence) in ORDERS.items():
            connection.execute(
                text(
                    "INSERT INTO orders (id, status, awaits, items, total_amount, currency, sequence) VALUES"
                    """ (:id, :status, :awaits, '[{"sku": "PIZZA", "quantity": 1, "unit_price": 1250}]',"""
                    " 1250, 'EUR', :sequence)"
                ),
                {"id": IDS[name], "status": status, "awaits": awaits, "sequence": sequence},
            )
    migrate("order", command.upgrade, "head")
    return Shop(engine_of("order"), owner)


class Shop:
    def __init__(self, engine, owner):
        self.engine, self.owner = engine, owner
        self.processor = BatchProcessor(engine, handlers.consumer())

    def receives(self, message):
        self.processor.process([a_delivery(message)])

    def order(self, name):
        """(status, the type and number of what was told last since the migration)."""
        with self.owner.connect() as connection:
            status = connection.execute(
                text("SELECT status FROM orders WHERE id = :id"), {"id": IDS[name]}
            ).scalar_one()
            told = connection.execute(
                text("SELECT type, sequence FROM outbox WHERE aggregateid = :id ORDER BY id DESC LIMIT 1"),
                {"id": str(IDS[name])},
            ).first()
        return status, tuple(told) if told else None


@pytest.mark.parametrize(
    ("name", "reply", "after"),
    [
        ("waits for its charge", PaymentCaptured, ("PAID", ("inventory.reserve.v1", 3))),
        ("waits for its charge", PaymentDeclined, ("FAILED", ("order.failed.v1", 3))),
        ("waits for its stock", StockReserved, ("COMPLETED", ("order.completed.v1", 4))),
        ("waits for its stock", StockRejected, ("PAID", ("payment.refund.v1", 4))),
        ("waits for its refund", PaymentRefunded, ("OUT_OF_STOCK", ("order.failed.v1", 5))),
        ("completed", StockReserved, ("COMPLETED", None)),
        ("failed", PaymentCaptured, ("FAILED", None)),
        ("out of stock", PaymentRefunded, ("OUT_OF_STOCK", None)),
    ],
)
def test_an_order_takes_the_answer_that_it_waited_for(shop, name, reply, after):
    values = {"total": EUROS, "reason": "none"}
    shop.receives(reply(order_id=IDS[name], **{k: v for k, v in values.items() if k in reply.model_fields}))

    assert shop.order(name) == after


def test_every_order_has_a_saga_on_a_version_that_is_there(shop):
    sagas = handlers.orchestrator(Patience())
    with shop.engine.connect() as connection:
        versions.check(connection, sagas.kind)
        loaded = sagas.read(connection, list(IDS.values()))

    assert {each.fingerprint for each in loaded.values()} == {definitions(Patience())[0].fingerprint}
    assert {name for name in IDS if loaded[IDS[name]].state.due is not None} == set(UNDER_WAY)


@pytest.mark.parametrize("name", ORDERS)
def test_only_what_has_not_turned_or_ended_can_be_cancelled(shop, name):
    sagas = handlers.orchestrator(Patience())
    with shop.engine.begin() as connection:
        if name == "cancelled":
            assert people.cancel(sagas, connection, IDS[name], By("customer")).status == "COMPENSATED"
        elif name in {"waits for its charge", "waits for its stock"}:
            assert people.cancel(sagas, connection, IDS[name], By("customer")).status == "COMPENSATING"
        else:
            with pytest.raises(NotPossible):
                people.cancel(sagas, connection, IDS[name], By("customer"))


def test_the_way_back_keeps_what_orders_wait_for(shop, migrate):
    migrate("order", command.downgrade, "0001")

    with shop.owner.connect() as connection:
        rows = connection.execute(text("SELECT id, status, awaits, sequence FROM orders"))
        found = {row.id: (row.status, row.awaits, row.sequence) for row in rows}
    assert found == {IDS[name]: values for name, values in ORDERS.items()}


def test_the_way_back_is_shut_while_an_order_is_under_way_on_a_later_version(shop, migrate):
    with shop.owner.begin() as connection:
        connection.execute(text("UPDATE sagas SET version = 2 WHERE status = 'RUNNING'"))

    with pytest.raises(Exception, match="not known then"):
        migrate("order", command.downgrade, "0001")


def test_an_order_in_a_state_that_no_saga_is_known_for_stops_the_migration(shop, migrate):
    migrate("order", command.downgrade, "0001")
    with shop.owner.begin() as connection:
        connection.execute(text("UPDATE orders SET awaits = 'reserve' WHERE status = 'PENDING'"))

    with pytest.raises(Exception, match="no saga is known"):
        migrate("order", command.upgrade, "head")
