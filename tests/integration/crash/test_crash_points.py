"""A process may end at any point: one order is run to every one of them, in every way of ending.

The points are found by a run without a fault, so none is forgotten. After each fault the processes start
anew, the customer repeats the request under its key, everything is delivered once more; then the order has
ended as it should, once in effect, and money and stock agree.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from uuid import uuid4

import pytest
import requests
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from contracts.services import SERVICES
from contracts.topics import MESSAGE_TOPICS
from runtime.waiting import until
from stack.layout import ROOT
from tests.integration.crash.faults import MODES, Points, Struck
from tests.integration.crash.one_order import ATTEMPTS_MAX, Pipeline

ORDERS = {
    "COMPLETED": {"items": [{"sku": "PIZZA", "quantity": 2}, {"sku": "LAPTOP", "quantity": 1}]},
    "OUT_OF_STOCK": {"items": [{"sku": "PIZZA", "quantity": 1}, {"sku": "SOLD-OUT", "quantity": 1}]},
}
READERS = {topic.name: topic.readers for topic in MESSAGE_TOPICS}
POINTS_MIN = 100  # fewer means that the points were not watched


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, free_port):
    """The simulated gateway, a process of its own."""
    port, folder = free_port(), tmp_path_factory.mktemp("gateway")
    environment = {
        "HTTP_BIND": f"127.0.0.1:{port}",
        "GATEWAY_DATABASE": str(folder / "ledger.sqlite"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "payment.simulated_gateway"]
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    until(
        lambda: requests.get(f"{url}/operations", timeout=1).ok,
        within_seconds=20,
        what="the gateway",
        retry_on=(requests.RequestException,),
    )
    yield url
    process.kill()
    process.wait(timeout=10)


@pytest.fixture
def stage(databases, gateway):
    owners = {s.name: create_engine(databases.url(s.name, "migrator")) for s in SERVICES}
    stage = Stage({s.name: databases.url(s.name) for s in SERVICES}, owners, gateway)
    yield stage
    stage.whole.close()
    stage.struck.close()
    for owner in owners.values():
        owner.dispose()


class Stage:
    """Where one order after the other is run."""

    def __init__(self, urls, owners, gateway_url):
        self.urls, self.owners, self.gateway_url = urls, owners, gateway_url
        self.points = Points()
        self.struck = self.pipeline(self.points)
        self.whole = self.pipeline(Points())  # what everything is recovered by

    def pipeline(self, points):
        return Pipeline(self.urls, self.owners, self.gateway_url, points)

    def perform(self, pipeline, key, body):
        """One life of all processes, until the fault ends it."""
        pipeline.restart()
        if order_id := pipeline.place(key, body):
            pipeline.run(order_id)

    def perform_in_a_child(self, key, body, mode, number):
        child = os.fork()
        if child == 0:
            try:
                for owner in self.owners.values():
                    owner.dispose(close=False)  # those connections are the parent's
                self.perform(self.pipeline(Points(mode, number)), key, body)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the child ended by itself"
        assert os.WTERMSIG(status) == signal.SIGKILL

    def strike(self, key, body, mode, number):
        if mode == "kill -9":
            self.perform_in_a_child(key, body, mode, number)
            return
        self.points.arm(mode, number)
        with suppress(Struck, DBAPIError):  # they end the process
            self.perform(self.struck, key, body)
        assert len(self.points.passed) >= number, "the point was never reached"

    def count(self, body):
        """What passes in a run without a fault."""
        self.points.arm("", 0)
        self.perform(self.struck, str(uuid4()), body)
        return list(self.points.passed)

    def recover(self, key, body):
        """The order's id, once everything has come to rest."""
        answers = (self.whole.place(key, body) for _ in range(ATTEMPTS_MAX))
        order_id = next(answer for answer in answers if answer)
        self.whole.recover(order_id)
        assert self.whole.place(key, body) == order_id
        return order_id

    def rows(self, service, statement, **values):
        with self.owners[service].connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def check(self, order_id, status):
        """S1, S9, S11-S14 for one order."""
        assert self.rows("order", "SELECT status FROM orders WHERE id = :id", id=order_id) == [(status,)]
        saga = self.rows("order", "SELECT status, awaits FROM sagas WHERE id = :id", id=order_id)
        assert saga == [("COMPLETED" if status == "COMPLETED" else "COMPENSATED", [])]
        for service in SERVICES:
            self.check_messages(service.name, order_id)
        assert len(self.traces(order_id)) == 1
        self.check_fences(order_id, status)
        total = self.rows("order", "SELECT total_amount FROM orders WHERE id = :id", id=order_id)[0][0]
        good = status == "COMPLETED"
        money = "SELECT operation, amount FROM payment_ledger WHERE order_id = :id ORDER BY id"
        # Where the refusal of the stock comes first, the charge may be withdrawn before it is made.
        moved = [[("charge", total)]] if good else [[("charge", total), ("refund", -total)], []]
        assert self.rows("payment", money, id=order_id) in moved
        stock = (
            "SELECT sum(on_hand)::int, sum(reserved)::int, sum(sold)::int, count(*) FROM stock_ledger"
            " WHERE order_id = :id"
        )
        assert self.rows("inventory", stock, id=order_id) == [
            (-3, 0, 3, 4) if good else (None, None, None, 0)
        ]

    def check_messages(self, service, order_id):
        """S1, S9: numbers without a gap, each event in its readers' inboxes once, nothing left parked."""
        numbers = "SELECT sequence FROM outbox WHERE aggregateid = :id ORDER BY id"
        told = [number for (number,) in self.rows(service, numbers, id=order_id)]
        assert told == list(range(1, len(told) + 1))
        waiting = "SELECT reason FROM dead_letters WHERE key = :id AND settled_at IS NULL"
        assert self.rows(service, waiting, id=order_id) == []
        for event_id, topic in self.rows(
            service, "SELECT id, topic FROM outbox WHERE aggregateid = :id", id=order_id
        ):
            for reader in READERS[topic]:
                seen = "SELECT count(*) FROM inbox WHERE event_id = :id"
                assert self.rows(reader, seen, id=event_id) == [(1,)], f"{reader} did not see {event_id}"

    def traces(self, order_id):
        """The traces that the order's events belong to, whoever wrote them and after how many tries."""
        named = "SELECT split_part(traceparent, '-', 2) FROM outbox WHERE aggregateid = :id"
        return {row for service in SERVICES for row in self.rows(service.name, named, id=order_id)}

    def check_fences(self, order_id, status):
        """S14: each step was done or refused, and undone where it had to be."""
        fences = "SELECT state FROM fences WHERE saga_id = :id"
        # A charge that was parked is overtaken by its refund, and not made any more.
        ends = {"COMPLETED": ({"done"}, {"done"}), "OUT_OF_STOCK": ({"undone", "tombstone"}, {"refused"})}
        for service, states in zip(("payment", "inventory"), ends[status], strict=True):
            [(state,)] = self.rows(service, fences, id=order_id)
            assert state in states

    def check_all(self, orders):
        """S2, S3, S12 and the gateway, over all orders together."""
        assert self.rows("order", "SELECT count(*) FROM orders") == [(orders,)]
        assert self.rows("payment", "SELECT count(*) FROM payments") == [(orders,)]
        ledger = (
            "SELECT sku, sum(on_hand)::bigint, sum(reserved)::bigint, sum(sold)::bigint FROM stock_ledger"
            " GROUP BY sku ORDER BY sku"
        )
        stock = "SELECT sku, on_hand, reserved, sold FROM stock WHERE sku <> 'SOLD-OUT' ORDER BY sku"
        assert self.rows("inventory", stock) == self.rows("inventory", ledger)
        assert self.at_gateway() == {
            (str(key), operation)
            for key, operation in self.rows(
                "payment", "SELECT id, operation FROM payment_intents WHERE state <> 'WITHDRAWN'"
            )
        }

    def at_gateway(self):
        """Every operation of these orders that the gateway's own ledger knows; it keeps one a key."""
        ours = {str(key) for (key,) in self.rows("payment", "SELECT id FROM payment_intents")}
        found, after = set(), 0
        while page := requests.get(f"{self.gateway_url}/operations?after={after}", timeout=10).json()[
            "operations"
        ]:
            found |= {(entry["key"], entry["operation"]) for entry in page if entry["key"] in ours}
            after = page[-1]["number"]
        return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ORDERS)
def test_at_every_point(stage, status, mode, capsys):
    body = ORDERS[status]
    points = stage.count(body)
    assert len(points) >= POINTS_MIN
    kinds = {what.split(":")[0] for what in points}
    assert kinds >= {"api", "order", "payment", "inventory", "before gateway", "before order"}, kinds

    for number, what in enumerate(points, start=1):
        key = str(uuid4())
        stage.strike(key, body, mode, number)
        order_id = stage.recover(key, body)
        try:
            stage.check(order_id, status)
        except AssertionError as error:
            raise AssertionError(f"{mode} at point {number}, {what}: {error}") from error

    stage.check_all(len(points) + 1)
    with capsys.disabled():
        print(f" {len(points)} points ", end="")  # noqa: T201 - the count is part of the result
