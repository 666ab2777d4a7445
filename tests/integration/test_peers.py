"""What peers are measured by: books that are right pass, and every way to be wrong is said."""

import json
from pathlib import Path

import psycopg
import pytest

from benchmarks.databases import free_port
from benchmarks.peers import hand_written_service as service
from benchmarks.peers.books import DATABASES, Books, make_afresh, run
from benchmarks.peers.peer import Ground, Order
from stack.postgres import Server, cluster

TABLES = Path(service.__file__).with_name("hand_written.sql")
ORDERS = [
    Order("00000000-0000-4000-8000-000000000001", "tok_ok", "PIZZA"),
    Order("00000000-0000-4000-8000-000000000002", "tok_declined", "PIZZA"),
    Order("00000000-0000-4000-8000-000000000003", "tok_ok", "SOLD-OUT"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with cluster(tmp_path_factory.mktemp("peers"), free_port(), durable=False) as server:
        yield server


@pytest.fixture
def ground(server: Server, tmp_path: Path):
    ground = Ground(server, tmp_path)
    make_afresh(ground)
    for name in DATABASES:
        run(ground.database(name), TABLES.read_text())
    return ground


@pytest.fixture
def books(ground: Ground):
    with Books(ground) as books:
        yield books


class Relay:
    """Carries events between the services' handlers, each of them twice, until nothing is left."""

    def __init__(self, ground: Ground) -> None:
        self._to = {name: service.connected(ground.database(name)) for name in DATABASES}

    def place(self, order: Order) -> None:
        body = {name: getattr(order, name) for name in ("id", "sku", "quantity", "amount", "token")}
        values = [body[name] for name in ("id", "sku", "quantity", "amount")]
        self._to["orders"].execute(service.PLACE, [*values, json.dumps(body)])

    def post(self, target: str, events: list[service.Event]) -> None:
        service.receive(self._to[target], events)
        service.receive(self._to[target], events)

    def carry(self) -> None:
        doors = {name: Door(self, name) for name in DATABASES}
        while any(service.pass_on(connection, doors) for connection in self._to.values()):
            continue
        for connection in self._to.values():
            connection.close()


class Door:
    def __init__(self, relay: Relay, target: str) -> None:
        self._relay, self._target = relay, target

    def post(self, _path: str, events: list[service.Event]) -> None:
        self._relay.post(self._target, events)


@pytest.fixture
def settled(ground: Ground):
    relay = Relay(ground)
    for order in ORDERS:
        relay.place(order)
    relay.carry()
    return ground


def test_orders_written_by_hand_end_as_they_should_though_every_event_comes_twice(
    settled: Ground, books: Books
):
    assert books.wrong(ORDERS) == []
    assert books.finished().keys() == {order.id for order in ORDERS}


@pytest.mark.parametrize(
    ("database", "damage", "said"),
    [
        ("orders", "UPDATE orders SET status = 'PENDING' WHERE status = 'COMPLETED'", "in orders"),
        ("orders", "DELETE FROM orders WHERE status = 'FAILED'", "in orders"),
        ("orders", "SELECT nextval('ended_orders')", "ends counted: 4, not 3"),
        ("payments", "UPDATE payments SET status = 'CAPTURED' WHERE status = 'REFUNDED'", "in payments"),
        ("payments", "UPDATE payments SET amount = amount + 1", "cents captured: 1251, not 1250"),
        ("inventory", "DELETE FROM reservations WHERE status = 'REFUSED'", "in inventory"),
        ("inventory", "UPDATE stock SET sold = sold + 1 WHERE sku = 'PIZZA'", "items sold: 2, not 1"),
        ("inventory", "UPDATE stock SET on_hand = on_hand + 1", "items there ever were"),
    ],
)
def test_books_that_are_wrong_are_found_out(
    settled: Ground, books: Books, database: str, damage: str, said: str
):
    with psycopg.connect(settled.database(database), autocommit=True) as connection:
        connection.execute(damage.encode())

    assert any(said in each for each in books.wrong(ORDERS))


def test_stock_is_reserved_once_whoever_asks_again(ground: Ground):
    with service.connected(ground.database("inventory")) as connection:
        answers = [
            connection.execute("SELECT reserve($1::uuid, $2, 1)", [order.id, order.sku]).fetchone()
            for order in (ORDERS[0], ORDERS[0], ORDERS[2], ORDERS[2])
        ]
        sold = connection.execute("SELECT sum(sold)::int FROM stock").fetchone()

    assert answers == [("SOLD",), ("SOLD",), ("REFUSED",), ("REFUSED",)]
    assert sold == (1,)
