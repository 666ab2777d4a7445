"""Reservations behind the fence: whatever comes again, late or first, units move once there and once back."""

import itertools
import threading
from uuid import uuid4

import pytest
from sqlalchemy import text

from inventory import handlers
from inventory.alarm import forgotten_reservations
from inventory.app import create_app
from messaging.alarm import Alarm
from messaging.batch import BatchProcessor
from runtime.health import readiness
from tests.builders import a_delivery, completed, release, reserve
from web.app import WebSettings


class Warehouse:
    def __init__(self, engine, owner):
        self.engine, self.owner = engine, owner
        self.processor = BatchProcessor(engine, handlers.consumer())

    def receives(self, *messages):
        self.processor.process([a_delivery(m) for m in messages])

    def rows(self, statement):
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def change(self, statement, **values):
        with self.owner.begin() as connection:
            connection.execute(text(statement), values)

    def stock(self, sku="PIZZA"):
        """What is reserved and sold of a sku."""
        [stock] = self.rows(f"SELECT reserved, sold FROM stock WHERE sku = '{sku}'")
        return stock

    def statuses(self):
        return [status for (status,) in self.rows("SELECT status FROM reservations ORDER BY order_id")]

    def told(self):
        return [kind for (kind,) in self.rows("SELECT type FROM outbox ORDER BY id")]

    def epochs(self):
        return [payload["epoch"] for (payload,) in self.rows("SELECT payload FROM outbox ORDER BY id")]

    def reserved_for(self, seconds, order_id):
        """Let a reservation be as old as that."""
        self.receives(reserve(order_id=order_id))
        self.change(
            "UPDATE reservations SET updated_at = updated_at - make_interval(secs => :seconds)"
            " WHERE order_id = :order_id",
            seconds=seconds,
            order_id=order_id,
        )


@pytest.fixture
def warehouse(engine_of):
    return Warehouse(engine_of("inventory"), engine_of("inventory", "migrator"))


def test_a_repeated_reserve_gets_the_first_answer_under_its_own_epoch(warehouse):
    order = uuid4()

    warehouse.receives(reserve(order_id=order), reserve(order_id=order))
    warehouse.receives(reserve(order_id=order, epoch=2))

    assert warehouse.stock() == (1, 0)
    assert warehouse.told() == ["stock.reserved.v1"] * 3
    assert warehouse.epochs() == [1, 1, 2]


def test_a_reserve_that_was_refused_is_decided_afresh_under_a_newer_epoch_and_under_no_other(warehouse):
    order = uuid4()
    warehouse.receives(reserve("SOLD-OUT", order_id=order))
    with warehouse.engine.begin() as connection:
        handlers.restock(connection, "SOLD-OUT", 1)

    warehouse.receives(reserve("SOLD-OUT", order_id=order))
    assert warehouse.stock("SOLD-OUT") == (0, 0)
    warehouse.receives(reserve("SOLD-OUT", order_id=order, epoch=2))

    assert warehouse.stock("SOLD-OUT") == (1, 0)
    assert warehouse.told() == ["stock.rejected.v1", "stock.rejected.v1", "stock.reserved.v1"]
    assert warehouse.rows("SELECT status, reason FROM reservations") == [("RESERVED", None)]


def test_a_release_without_its_reserve_is_answered_and_refuses_the_late_reserve(warehouse):
    order = uuid4()

    warehouse.receives(release(order))
    warehouse.receives(reserve(order_id=order), reserve(order_id=order, epoch=2), release(order))

    assert warehouse.stock() == (0, 0)
    assert warehouse.told() == [
        "stock.released.v1",
        "stock.rejected.v1",
        "stock.rejected.v1",
        "stock.released.v1",
    ]
    assert warehouse.statuses() == []


@pytest.mark.parametrize("order_of_arrival", sorted(set(itertools.permutations("RRLL"))))
def test_in_whatever_order_they_come_nothing_stays_reserved(warehouse, order_of_arrival):
    order = uuid4()
    kinds = {"R": reserve, "L": release}

    for kind in order_of_arrival:
        warehouse.receives(kinds[kind](order_id=order))

    assert warehouse.stock() == (0, 0)
    assert len(warehouse.told()) == 4
    moved = warehouse.rows("SELECT movement FROM stock_ledger WHERE order_id IS NOT NULL ORDER BY id")
    assert moved in ([], [("reserve",), ("release",)])


def test_reserve_and_release_at_once_by_two_workers_leave_nothing_reserved(warehouse):
    orders = [uuid4() for _ in range(40)]
    batches = (
        [reserve(order_id=order) for order in orders],
        [release(order) for order in reversed(orders)],
    )
    workers = [threading.Thread(target=warehouse.receives, args=batch) for batch in batches]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)

    assert warehouse.stock() == (0, 0)
    assert len(warehouse.told()) == 80
    assert (
        warehouse.rows("SELECT DISTINCT state FROM fences WHERE state NOT IN ('undone', 'tombstone')") == []
    )
    assert warehouse.rows("SELECT * FROM dead_letters") == []


def test_a_release_of_a_refused_reserve_gives_nothing_back(warehouse):
    order = uuid4()

    warehouse.receives(reserve("SOLD-OUT", order_id=order), release(order))

    assert warehouse.told() == ["stock.rejected.v1", "stock.released.v1"]
    assert warehouse.statuses() == ["REJECTED"]


def test_what_is_sold_is_not_released_but_parked_and_told(warehouse):
    order = uuid4()
    warehouse.receives(reserve(order_id=order), completed(order))

    warehouse.receives(release(order))

    assert warehouse.stock() == (0, 1)
    assert warehouse.told() == ["stock.reserved.v1", "stock.command-parked.v1"]
    [(reason,)] = warehouse.rows("SELECT reason FROM dead_letters")
    assert "what is sold cannot be released" in reason


def test_a_reservation_that_nobody_ends_is_told_once_a_minute_and_kept(warehouse, logged):
    oldest, alarm = uuid4(), Alarm(forgotten_reservations(older_than_seconds=3600))
    warehouse.reserved_for(5000, oldest)
    warehouse.reserved_for(4000, uuid4())
    warehouse.reserved_for(3000, uuid4())

    alarm.look(warehouse.engine)
    alarm.look(warehouse.engine)

    [line] = [line for line in logged() if line["event"] == "a person is needed"]
    assert line["level"] == "error"
    assert line["reservations"] == f"2 reserved for more than 3600 s, the oldest {oldest}"
    assert warehouse.statuses() == ["RESERVED"] * 3


def test_the_alarm_warns_without_making_the_worker_unready_and_ends_with_its_cause(warehouse):
    order, alarm = uuid4(), Alarm(forgotten_reservations(older_than_seconds=3600))
    warehouse.reserved_for(5000, order)

    alarm.look(warehouse.engine)
    warned = readiness({}, alarm.warnings())
    warehouse.receives(release(order))
    alarm.look(warehouse.engine)

    assert warned == (
        200,
        {
            "status": "warn",
            "checks": {"reservations": f"1 reserved for more than 3600 s, the oldest {order}"},
        },
    )
    assert readiness({}, alarm.warnings()) == (200, {"status": "pass", "checks": {}})


def test_a_worker_that_is_not_ready_says_so_beside_its_warnings():
    status, body = readiness({"poll": "none"}, {"reservations": "1"})

    assert (status, body["status"], set(body["checks"])) == (503, "fail", {"poll", "reservations"})


def test_the_alarm_reads_its_own_index(warehouse):
    query = str(handlers.queries.FORGOTTEN_RESERVATIONS).replace(":older_than_seconds", "3600")
    with warehouse.owner.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())

    assert "ix_reservations_reserved" in plan
    assert "Index Cond: (updated_at <" in plan


def test_reservations_are_listed_by_status_and_age_a_page_at_a_time(warehouse, databases):
    app = create_app(WebSettings(databases.url("inventory"), (), "token"))
    old = sorted((uuid4() for _ in range(3)), reverse=True)
    for order in old:
        warehouse.reserved_for(5000, order)
    warehouse.receives(reserve(), reserve("SOLD-OUT"))
    client, path = app.test_client(), "/reservations?status=RESERVED&older_than_seconds=3600&limit=2"

    first = client.get(path).get_json()
    rest = client.get(f"{path}&cursor={first['next_cursor']}").get_json()
    refused = client.get("/reservations?status=REJECTED").get_json()["reservations"]
    wrong = client.get("/reservations?status=LOST")
    app.extensions["engine"].dispose()

    shown = first["reservations"] + rest["reservations"]
    assert [each["order_id"] for each in shown] == [str(order) for order in old]
    assert rest["next_cursor"] is None
    assert set(shown[0]) == {"order_id", "status", "items", "reason", "created_at", "updated_at"}
    assert refused[0]["reason"] == "SOLD-OUT: 1 wanted, 0 left"
    assert wrong.status_code == 422
