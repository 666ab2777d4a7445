"""Databases from before the fence, with rows in every state: what was under way then still ends well."""

from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import text

from contracts.messages import Command
from inventory import handlers as inventory
from messaging.batch import BatchProcessor
from payment import handlers as payment
from tests.builders import a_delivery, charge, refund, release, reserve

# By what became of the order: the payment's status, what was captured and refunded, and the states of its
# charge and its refund intent.
PAYMENTS = {
    "requested": ("REQUESTED", 0, 0, "REQUESTED", None),
    "unknown": ("UNKNOWN", 0, 0, "REQUESTED", None),
    "captured": ("CAPTURED", 1250, 0, "SETTLED", None),
    "declined": ("DECLINED", 0, 0, "SETTLED", None),
    "being refunded": ("CAPTURED", 1250, 0, "SETTLED", "REQUESTED"),
    "charged and refunded unseen": ("UNKNOWN", 0, 0, "REQUESTED", "REQUESTED"),
    "refunded": ("REFUNDED", 1250, 1250, "SETTLED", "SETTLED"),
    "declined, then refunded": ("DECLINED", 0, 0, "SETTLED", "SETTLED"),
    "never charged": ("REFUNDED", 0, 0, None, None),
}

# By what became of the order: the reservation's status, items and reason, and how its stock moved.
ITEMS = '[{"sku": "PIZZA", "quantity": 1}]'
RESERVATIONS = {
    "reserved": ("RESERVED", ITEMS, None, ["reserve"]),
    "sold": ("SOLD", ITEMS, None, ["reserve", "sell"]),
    "rejected": ("REJECTED", ITEMS, "none left", []),
    "released": ("RELEASED", ITEMS, "released", ["reserve", "release"]),
    "rejected, then released": ("RELEASED", ITEMS, "released", []),
    "never reserved": ("RELEASED", "[]", "released", []),
}
LEDGER = {"reserve": (-1, 1, 0), "release": (1, -1, 0), "sell": (0, -1, 1)}


def ids(names):
    return {name: UUID(int=number) for number, name in enumerate(names, start=1)}


class Migrated:
    """A service whose database was filled at the first revision and then migrated."""

    def __init__(self, service, handlers, engine_of, migrate, fill):
        self.owner = engine_of(service, "migrator")
        self.processor = BatchProcessor(engine_of(service), handlers.consumer())
        migrate(service, command.downgrade, "0001")
        with self.owner.begin() as connection:
            fill(connection)
        migrate(service, command.upgrade, "head")

    def answer(self, message: Command):
        """What is told at once: type, number, and payload without the order; None where nothing is."""
        self.processor.process([a_delivery(message)])
        told = self.rows("SELECT type, sequence, payload FROM outbox ORDER BY id DESC LIMIT 1", message)
        if not told:
            return None
        [(kind, sequence, payload)] = told
        return kind, sequence, {k: v for k, v in payload.items() if k != "order_id"}

    def fence(self, order_id):
        with self.owner.connect() as connection:
            found = connection.execute(text("SELECT state FROM fences WHERE saga_id = :id"), {"id": order_id})
            return found.scalar_one()

    def rows(self, statement, message):
        statement = statement.replace(" ORDER BY", " WHERE aggregateid = :key ORDER BY")
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), {"key": message.key})]


def fill_payments(connection):
    for name, order_id in ids(PAYMENTS).items():
        status, captured, refunded, charged, given_back = PAYMENTS[name]
        connection.execute(
            text(
                "INSERT INTO payments"
                " (order_id, status, amount, currency, captured, refunded, reason, sequence)"
                " VALUES (:id, :status, 1250, 'EUR', :captured, :refunded,"
                " CASE :status WHEN 'DECLINED' THEN 'no money' END, 4)"
            ),
            {"id": order_id, "status": status, "captured": captured, "refunded": refunded},
        )
        for operation, state in (("charge", charged), ("refund", given_back)):
            if state:
                connection.execute(
                    text(
                        "INSERT INTO payment_intents (order_id, operation, state, attempts, settled_at)"
                        " VALUES (:id, :operation, :state, 1,"
                        " CASE :state WHEN 'SETTLED' THEN clock_timestamp() END)"
                    ),
                    {"id": order_id, "operation": operation, "state": state},
                )


def fill_reservations(connection):
    for name, order_id in ids(RESERVATIONS).items():
        status, items, reason, movements = RESERVATIONS[name]
        connection.execute(
            text(
                "INSERT INTO reservations (order_id, status, items, reason, sequence)"
                " VALUES (:id, :status, CAST(:items AS jsonb), :reason, 4)"
            ),
            {"id": order_id, "status": status, "items": items, "reason": reason},
        )
        for movement in movements:
            on_hand, reserved, sold = LEDGER[movement]
            connection.execute(
                text(
                    "INSERT INTO stock_ledger (order_id, sku, movement, on_hand, reserved, sold)"
                    " VALUES (:id, 'PIZZA', :movement, :on_hand, :reserved, :sold)"
                ),
                {
                    "id": order_id,
                    "movement": movement,
                    "on_hand": on_hand,
                    "reserved": reserved,
                    "sold": sold,
                },
            )
    connection.execute(
        text(
            "UPDATE stock SET on_hand = stock.on_hand + moved.on_hand, reserved = moved.reserved,"
            " sold = moved.sold FROM (SELECT sum(on_hand) on_hand, sum(reserved) reserved, sum(sold) sold"
            " FROM stock_ledger WHERE order_id IS NOT NULL) moved WHERE sku = 'PIZZA'"
        )
    )


def captured(amount):
    return "payment.captured.v1", 5, {"epoch": 1, "total": {"amount": amount, "currency": "EUR"}}


def refunded(amount):
    return "payment.refunded.v1", 5, {"epoch": 1, "total": {"amount": amount, "currency": "EUR"}}


DECLINED = "payment.declined.v1", 5, {"epoch": 1, "reason": "no money"}
TOO_LATE = "payment.declined.v1", 5, {"epoch": 1, "reason": "the order was given up before"}

RESERVED = "stock.reserved.v1", 5, {"epoch": 1}
REJECTED = "stock.rejected.v1", 5, {"epoch": 1, "reason": "none left"}
RELEASED = "stock.released.v1", 5, {"epoch": 1}
GIVEN_UP = "stock.rejected.v1", 5, {"epoch": 1, "reason": "the order was given up before"}


@pytest.mark.parametrize(
    ("name", "state", "to_a_charge", "to_a_refund", "after_it"),
    [
        ("requested", "begun", None, None, "undoing"),
        ("unknown", "begun", None, None, "undoing"),
        ("captured", "done", captured(1250), None, "undoing"),
        ("declined", "refused", DECLINED, refunded(0), "tombstone"),
        ("being refunded", "undoing", TOO_LATE, None, "undoing"),
        ("charged and refunded unseen", "undoing", TOO_LATE, None, "undoing"),
        ("refunded", "undone", TOO_LATE, refunded(1250), "undone"),
        ("declined, then refunded", "undone", TOO_LATE, refunded(0), "undone"),
        ("never charged", "tombstone", TOO_LATE, refunded(0), "tombstone"),
    ],
)
def test_a_payment_from_before_answers_what_comes_again(
    engine_of, migrate, name, state, to_a_charge, to_a_refund, after_it
):
    order_id = ids(PAYMENTS)[name]
    service = Migrated("payment", payment, engine_of, migrate, fill_payments)

    before = service.fence(order_id)
    first = service.answer(charge(order_id=order_id))
    sequence = 6 if first else 5
    second = service.answer(refund(order_id))

    assert before == state
    assert first == to_a_charge
    if to_a_refund:
        assert second == (to_a_refund[0], sequence, to_a_refund[2])
    else:
        assert second == first  # nothing more is told
    assert service.fence(order_id) == after_it


@pytest.mark.parametrize(
    ("name", "state", "to_a_reserve", "to_a_release", "after_it"),
    [
        ("reserved", "done", RESERVED, RELEASED, "undone"),
        ("rejected", "refused", REJECTED, RELEASED, "tombstone"),
        ("released", "undone", GIVEN_UP, RELEASED, "undone"),
        ("rejected, then released", "tombstone", GIVEN_UP, RELEASED, "tombstone"),
        ("never reserved", "tombstone", GIVEN_UP, RELEASED, "tombstone"),
        ("sold", "done", RESERVED, ("stock.command-parked.v1", 6, None), "done"),
    ],
)
def test_a_reservation_from_before_answers_what_comes_again(
    engine_of, migrate, name, state, to_a_reserve, to_a_release, after_it
):
    order_id = ids(RESERVATIONS)[name]
    service = Migrated("inventory", inventory, engine_of, migrate, fill_reservations)

    before = service.fence(order_id)
    first = service.answer(reserve(order_id=order_id))
    kind, sequence, payload = service.answer(release(order_id))

    assert before == state
    assert first == to_a_reserve
    assert (kind, sequence) == (to_a_release[0], 6)
    assert payload == to_a_release[2] or name == "sold"
    assert service.fence(order_id) == after_it


def test_what_was_requested_before_is_charged_and_refunded_after(engine_of, migrate, gateway_at, cashier):
    Migrated("payment", payment, engine_of, migrate, fill_payments)
    cashier.change("UPDATE payment_intents SET payment_token = 'tok_ok' WHERE operation = 'charge'")

    cashier.execute(gateway_at())

    statuses = dict(cashier.rows("SELECT order_id, status FROM payments"))
    names = {name: statuses[order_id] for name, order_id in ids(PAYMENTS).items()}
    assert names["requested"] == names["unknown"] == "CAPTURED"
    assert names["charged and refunded unseen"] == "REFUNDED"


def test_several_tries_become_one_where_the_history_goes_back(engine_of, migrate, gateway_at, cashier):
    order = charge(token="tok_declined")
    cashier.receives(order)
    url = gateway_at()
    cashier.execute(url)
    cashier.receives(charge(order_id=order.order_id, epoch=2))
    cashier.execute(url)
    cashier.receives(withdrawn := charge())
    cashier.receives(refund(withdrawn.order_id))

    migrate("payment", command.downgrade, "0001")

    intents = cashier.rows("SELECT operation, state FROM payment_intents ORDER BY id")
    assert intents == [("charge", "SETTLED"), ("charge", "SETTLED")]
    assert cashier.rows("SELECT sequence FROM payments ORDER BY id") == [(2,), (1,)]
