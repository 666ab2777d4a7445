"""Charges and refunds through a real gateway process's HTTP, in two transactions."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
import requests
from sqlalchemy import text
from werkzeug.serving import make_server

from contracts.messages import Money
from messaging.batch import BatchProcessor
from payment import handlers
from payment.executor import Executor, call
from payment.gateway import HttpGateway, Outcome, OutcomeUnknown, RefundRefused
from payment.simulated_gateway import create_app, open_ledger
from runtime.waiting import until
from tests.builders import a_delivery, charge, refund


@pytest.fixture
def gateway_at(tmp_path, free_port):
    """A function that starts the simulated gateway, at a failure rate, and gives its URL."""
    servers = []

    def start(failure_rate=0.0, ledger="ledger.sqlite"):
        port = free_port()
        app = create_app(open_ledger(str(tmp_path / ledger)), failure_rate)
        server = make_server("127.0.0.1", port, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def cashier(engine_of):
    return Cashier(engine_of("payment"), engine_of("payment", "migrator"))


class Cashier:
    def __init__(self, engine, owner):
        self.engine, self.owner = engine, owner
        self.processor = BatchProcessor(engine, handlers.consumer())

    def receives(self, *messages):
        self.processor.process([a_delivery(m) for m in messages])

    def executor(self, url, stop=None):
        return Executor(self.engine, HttpGateway(url, 4), "test", stop or threading.Event())

    def execute(self, url):
        """Run an executor until nothing is requested any more."""
        stop = threading.Event()
        running = threading.Thread(target=self.executor(url, stop).run)
        running.start()
        try:
            until(lambda: not self.open_intents(), within_seconds=30, what="intents to be settled")
        finally:
            stop.set()
            running.join(timeout=30)

    def rows(self, statement):
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def open_intents(self):
        return self.rows("SELECT id FROM payment_intents WHERE state = 'REQUESTED'")

    def told(self):
        return [kind for (kind,) in self.rows("SELECT type FROM outbox ORDER BY id")]


def test_a_good_card_is_captured_once_however_often_it_is_asked(cashier, gateway_at):
    url, order = gateway_at(), charge()

    cashier.receives(order, order)
    assert cashier.told() == []  # nothing is told before the gateway answered
    cashier.execute(url)
    cashier.receives(order)

    assert cashier.rows("SELECT status, captured, refunded FROM payments") == [("CAPTURED", 1250, 0)]
    assert cashier.told() == ["payment.captured.v1"] * 2  # told again to the repeated command
    assert cashier.rows("SELECT operation, amount FROM payment_ledger") == [("charge", 1250)]


def test_a_declined_card_is_told(cashier, gateway_at):
    cashier.receives(charge(token="tok_declined"))

    cashier.execute(gateway_at())

    assert cashier.told() == ["payment.declined.v1"]
    assert cashier.rows("SELECT * FROM payment_ledger") == []


def test_a_refund_gives_back_what_was_captured(cashier, gateway_at):
    url, order = gateway_at(), charge()
    cashier.receives(order)
    cashier.execute(url)

    cashier.receives(refund(order.order_id))
    cashier.execute(url)

    assert cashier.rows("SELECT status, captured, refunded FROM payments") == [("REFUNDED", 1250, 1250)]
    assert cashier.rows("SELECT sum(amount) FROM payment_ledger") == [(0,)]
    assert cashier.told() == ["payment.captured.v1", "payment.refunded.v1"]


@pytest.mark.parametrize(("token", "refunded"), [("tok_ok", 1250), ("tok_declined", 0)])
def test_a_refund_waits_for_its_charge(cashier, gateway_at, token, refunded):
    order = charge(token=token)
    cashier.receives(order)
    cashier.receives(refund(order.order_id))

    cashier.execute(gateway_at())

    assert cashier.rows("SELECT refunded FROM payments") == [(refunded,)]
    assert cashier.told()[-1] == "payment.refunded.v1"


def test_a_refund_before_its_charge_refuses_the_late_charge(cashier):
    order = charge()

    cashier.receives(refund(order.order_id))
    cashier.receives(order)

    assert cashier.told() == ["payment.refunded.v1", "payment.declined.v1"]
    assert cashier.open_intents() == []


def test_an_unreachable_gateway_leaves_the_payment_unknown_until_it_answers(cashier, gateway_at, free_port):
    cashier.receives(charge())
    stop = threading.Event()
    running = threading.Thread(target=cashier.executor(f"http://127.0.0.1:{free_port()}", stop).run)
    running.start()
    until(
        lambda: cashier.rows("SELECT status FROM payments") == [("UNKNOWN",)],
        within_seconds=20,
        what="UNKNOWN",
    )
    stop.set()
    running.join(timeout=20)

    cashier.execute(gateway_at())

    assert cashier.rows("SELECT status, captured FROM payments") == [("CAPTURED", 1250)]


def test_an_executor_that_died_after_the_call_charges_nobody_twice(cashier, gateway_at):
    url = gateway_at()
    cashier.receives(charge())
    dead = cashier.executor(url)
    [intent] = dead._claim(10)
    call(dead.gateway, intent)  # and never stores the result
    assert dead._claim(10) == []  # the lease holds
    with cashier.owner.begin() as connection:
        connection.execute(text("UPDATE payment_intents SET due_at = clock_timestamp()"))  # and runs out

    cashier.execute(url)

    assert cashier.rows("SELECT status FROM payments") == [("CAPTURED",)]
    assert len(_operations(url)) == 1


def test_a_refused_refund_is_never_told_as_refunded(cashier, gateway_at):
    url, order = gateway_at(), charge()
    cashier.receives(order)
    cashier.execute(url)
    cashier.receives(refund(order.order_id))
    executor = Executor(cashier.engine, Refusing(url, 4), "test", threading.Event())
    [intent] = executor._claim(10)

    with pytest.raises(RefundRefused):
        call(executor.gateway, intent)

    with ThreadPoolExecutor(1) as threads:
        executor._calls[threads.submit(call, executor.gateway, intent)] = intent
    executor._store()
    assert cashier.rows("SELECT status, refunded FROM payments") == [("UNKNOWN", 0)]
    assert cashier.told() == ["payment.captured.v1"]


class Refusing(HttpGateway):
    """A gateway that keeps the money."""

    def refund(self, key, money, charge_key):  # noqa: ARG002 - the port's names
        return Outcome("op_1", declined="no refunds")


def test_a_result_that_cannot_be_stored_holds_up_nobody(cashier, gateway_at):
    cashier.receives(charge(), charge())
    executor = cashier.executor(gateway_at())
    good, bad = (call(executor.gateway, intent) for intent in executor._claim(10))
    bad = replace(bad, outcome=Outcome(reference="\x00"))

    executor._store_calls([bad, good])

    assert sorted(cashier.rows("SELECT status FROM payments")) == [("CAPTURED",), ("UNKNOWN",)]


def test_a_late_executor_without_an_answer_does_not_doubt_what_another_settled(cashier, gateway_at):
    url = gateway_at()
    cashier.receives(charge())
    late = cashier.executor(url)
    [intent] = late._claim(10)
    with cashier.owner.begin() as connection:
        connection.execute(text("UPDATE payment_intents SET due_at = clock_timestamp()"))
    cashier.execute(url)

    late._store_calls([handlers.Unanswered(intent.id, intent.order_id, 1.0)])

    assert cashier.rows("SELECT status FROM payments") == [("CAPTURED",)]


def test_what_costs_nothing_can_be_refunded(cashier, gateway_at):
    url, order = gateway_at(), charge(amount=0)
    cashier.receives(order)
    cashier.execute(url)

    cashier.receives(refund(order.order_id, amount=0))
    cashier.execute(url)

    assert cashier.told() == ["payment.captured.v1", "payment.refunded.v1"]


def test_two_executors_with_one_result_store_it_once(cashier, gateway_at):
    url = gateway_at()
    cashier.receives(charge())
    [intent] = cashier.executor(url)._claim(10)
    result = call(HttpGateway(url, 1), intent)

    for _ in range(2):
        with cashier.engine.begin() as connection:
            handlers.store_results(connection, [result])

    assert cashier.told() == ["payment.captured.v1"]


def test_a_share_of_charges_fails_when_asked_to(cashier, gateway_at):
    cashier.receives(*(charge() for _ in range(60)))

    cashier.execute(gateway_at(failure_rate=0.5))

    statuses = [status for (status,) in cashier.rows("SELECT status FROM payments")]
    assert {"CAPTURED", "DECLINED"} == set(statuses)


def test_the_token_is_forgotten_once_it_was_used(cashier, gateway_at):
    cashier.receives(charge())

    cashier.execute(gateway_at())

    assert cashier.rows("SELECT payment_token FROM payment_intents") == [(None,)]


class TestGatewayContract:
    """What any adapter of the port must do."""

    @pytest.fixture
    def gateway(self, gateway_at):
        return HttpGateway(gateway_at(), 4)

    @pytest.fixture
    def money(self):
        return Money(amount=100, currency="EUR")

    def test_a_repeated_key_gets_the_first_answer(self, gateway, money):
        key = str(uuid4())

        first = gateway.charge(key, money, "tok_ok")

        assert gateway.charge(key, money, "tok_declined") == first == gateway.find(key)
        assert first.declined is None

    def test_a_key_that_was_never_used_is_not_found(self, gateway):
        assert gateway.find(str(uuid4())) is None

    def test_a_refund_is_an_operation_of_its_own(self, gateway, money):
        key = str(uuid4())
        charged = gateway.charge(key, money, "tok_ok")

        refunded = gateway.refund(str(uuid4()), money, key)

        assert refunded.declined is None
        assert refunded.reference != charged.reference

    def test_no_answer_is_unknown(self, free_port, money):
        with pytest.raises(OutcomeUnknown):
            HttpGateway(f"http://127.0.0.1:{free_port()}", 1).charge(str(uuid4()), money, "tok_ok")


def _operations(url):
    return requests.get(f"{url}/operations", timeout=5).json()["operations"]
