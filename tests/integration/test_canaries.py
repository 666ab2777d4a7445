"""Canaries: secrets with a name, put where real ones are, and looked for in all that anybody gets to see.

Seen are every line that is logged, every answer over HTTP, dead letters as commands show them, what a redrive
says, and what is handed on or exported as a trace. Orders go well and badly, and databases refuse rows.
"""

import io
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from contracts.services import SERVICES
from messaging import letters
from messaging.redrive import redrive
from order.app import create_app as order_app
from payment.app import PaymentSettings
from payment.app import create_app as payment_app
from payment.gateway import HttpGateway
from runtime import logs, spans
from runtime.waiting import until
from stack import letter_words
from stack.layout import ROOT
from tests.builders import a_delivery, charge, reserve
from tests.integration.crash.one_order import CONSUMERS, Pipeline
from tests.integration.test_webhooks import PATH, signed
from web.app import WebSettings

TOKEN, KEY = "tok_canary_of_a_card", "canary-of-an-idempotency-key"
OPERATOR, WEBHOOK, PASSWORD = "canary-of-an-operator", "canary-of-a-webhook", "canary-of-a-database"
CANARIES = {TOKEN, KEY, OPERATOR, WEBHOOK, PASSWORD}
PIZZA = {"items": [{"sku": "PIZZA", "quantity": 1}], "payment_token": TOKEN}
# What a caller may put into any header that is handed on.
TRACED = {"traceparent": TOKEN, "tracestate": f"vendor={TOKEN}"}
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR}"}

REFUSES = "ALTER TABLE {table} ADD CONSTRAINT ck_no_canary CHECK (payment_token NOT LIKE 'tok_canary%')"
# A value that does not fit is quoted by the database itself.
QUOTES = """
    CREATE FUNCTION quote_canary() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'invalid value: "%"', NEW.payment_token USING ERRCODE = '22023', DETAIL = NEW::text;
    END $$;
    CREATE TRIGGER quote_canary BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION quote_canary();
"""


class Seen(Pipeline):
    """The services, and all that they have shown to anybody."""

    def __post_init__(self):
        self.shown, self.statuses = [], []
        super().__post_init__()
        settings = WebSettings(self.urls["payment"], (), OPERATOR)
        self.payment_app = payment_app(settings, PaymentSettings((WEBHOOK,)))

    def open_api(self):
        return order_app(WebSettings(self.urls["order"], (), OPERATOR))

    def close(self):
        self.payment_app.extensions["engine"].dispose()
        super().close()

    def ask(self, path, app=None, method="POST", **options):
        options["headers"] = {**TRACED, **options.get("headers", {})}
        answer = (app or self.app).test_client().open(path, method=method, **options)
        self.shown.append(f"{answer.status} {answer.headers} {answer.get_data(as_text=True)}")
        self.statuses.append(answer.status_code)
        return answer

    def order(self, body=None, **headers):
        return self.ask("/orders", json=body or PIZZA, headers=headers)

    def change(self, service, statement):
        with self.owners[service].begin() as connection:
            connection.execute(text(statement))

    def values(self, service, statement):
        with self.owners[service].connect() as connection:
            return [str(value) for value in connection.execute(text(statement)).scalars()]

    def show_letters(self):
        """As `./run dead-letters` does it: the list, each letter, and a redrive."""
        number = 0
        for name, engine in self.engines.items():
            with engine.connect() as connection:
                for letter in letters.list_waiting(connection):
                    self.shown += [
                        letter_words.line({"service": name, **letter}),
                        json.dumps(letters.show(connection, letter["id"]), default=str),
                    ]
                    number += 1
            self.shown.append(str(redrive(engine, CONSUMERS[name])))
        return number


@pytest.fixture
def services(databases, gateway_at, monkeypatch):
    told, log = [], io.StringIO()
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stderr=log, __excepthook__=sys.__excepthook__))
    monkeypatch.setattr(spans, "_collectors", [told.append])
    owners = {s.name: create_engine(databases.url(s.name, "migrator")) for s in SERVICES}
    running = Seen({s.name: databases.url(s.name) for s in SERVICES}, owners, gateway_at())
    running.told, running.log = told, log
    yield running
    running.close()
    for owner in owners.values():
        owner.dispose()


@pytest.fixture
def assert_none_is_seen(services):
    """A function that looks everywhere, for our canaries and for the passwords of the databases."""

    def look():
        services.show_letters()
        handed_on = [
            value
            for service in SERVICES
            for value in services.values(service.name, "SELECT coalesce(traceparent, '') FROM outbox")
        ]
        everything = "\n".join(
            [*services.shown, *handed_on, *map(str, services.told), services.log.getvalue()]
        )
        passwords = {url.password for url in services.urls.values()}
        assert handed_on + services.told + services.shown, "nothing was shown"
        assert [secret for secret in CANARIES | passwords if secret in everything] == []
        lines = [json.loads(line) for line in services.log.getvalue().splitlines()]
        assert lines, "nothing was logged"
        return SimpleNamespace(text=everything, lines=lines)

    return look


def test_an_order_that_goes_well_shows_none(services, assert_none_is_seen):
    order_id = services.order(**{"Idempotency-Key": KEY}).get_json()["order_id"]
    services.order(**{"Idempotency-Key": KEY})
    services.run(order_id)
    services.ask(f"/orders/{order_id}/timeline", method="GET")
    services.ask("/orders", method="GET")

    seen = assert_none_is_seen()

    assert services.statuses == [201, 201, 200, 200]
    assert TOKEN in "".join(services.values("order", "SELECT payload::text FROM outbox")), "it was not used"
    assert any(line.get("order_id") == order_id for line in seen.lines)


def test_requests_that_are_refused_show_none(services, assert_none_is_seen):
    services.order(**{"Idempotency-Key": KEY})
    services.order({**PIZZA, "payment_token": TOKEN[:-1]}, **{"Idempotency-Key": KEY})
    services.order(**{"Idempotency-Key": f"{KEY} with a space"})
    services.order({**PIZZA, "payment_token": f"{TOKEN} with a space"})
    services.order({**PIZZA, "more": TOKEN})
    services.ask("/orders", data=f'{{"payment_token": "{TOKEN}"', content_type="application/json")
    services.ask("/orders", data=TOKEN, content_type="text/plain")
    services.ask("/sagas", method="GET", headers=AS_OPERATOR)
    services.ask("/sagas", method="GET", headers={"Authorization": f"Bearer {OPERATOR} and more"})
    services.ask(f"/sagas/{uuid4()}/retry", json={"note": "as agreed"}, headers=AS_OPERATOR)

    assert_none_is_seen()

    assert services.statuses == [201, 422, 400, 422, 422, 400, 415, 200, 401, 404]


def test_webhooks_good_and_forged_show_none(services, assert_none_is_seen):
    def webhook(payload, secret):
        services.ask(PATH, services.payment_app, data=payload, headers=signed(payload, secret=secret))

    good = json.dumps({"data": {"key": str(uuid4()), "reference": TOKEN, "declined": None}})
    webhook(good, WEBHOOK)
    webhook(good, "forged")
    webhook(json.dumps({"data": TOKEN}), WEBHOOK)

    seen = assert_none_is_seen()

    assert services.statuses == [200, 401, 422]
    assert "a webhook was refused" in seen.text


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(REFUSES, "CheckViolation"), (QUOTES, "InvalidParameterValue")],
    ids=["it refuses the row", "it quotes the value"],
)
class TestADatabaseThatRefusesARow:
    def test_shows_none_to_who_orders(self, services, assert_none_is_seen, fault, kind):
        services.change("order", fault.format(table="orders"))

        services.order(**{"Idempotency-Key": KEY})

        seen = assert_none_is_seen()
        assert services.statuses == [500]
        [line] = [line for line in seen.lines if line["event"] == "request failed"]
        assert kind in line["exception"]

    def test_shows_none_where_its_message_is_parked(self, services, assert_none_is_seen, fault, kind):
        services.change("payment", fault.format(table="payment_intents"))

        services.processors["payment"].process([a_delivery(charge(token=TOKEN), headers=TRACED)])

        seen = assert_none_is_seen()
        [line] = [line for line in seen.lines if line["event"] == "message parked"]
        assert kind in line["reason"]
        assert services.values("payment", "SELECT attempts FROM dead_letters") == ["2"], "it was not redriven"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"value": f'{{"payment_token": "{TOKEN}"'.encode()}, id="no JSON"),
        pytest.param(
            {"value": f'{{"payment_token": "{TOKEN}", "card": ["{TOKEN}"]}}'.encode()}, id="other fields"
        ),
        pytest.param({"value": f'{{"order_id": 1, "payment_token": "{TOKEN}"}}'.encode()}, id="no id"),
        pytest.param({"value": TOKEN.encode() + b"\xff"}, id="no text"),
        pytest.param({"headers": {**TRACED, "ce_id": "none"}}, id="a stray"),
        pytest.param({"headers": {**TRACED, "ce_type": "payment.charge.v9"}}, id="a type of a newer release"),
        pytest.param({"headers": {**TRACED, "x-token": TOKEN}, "value": b"[]"}, id="a header of others"),
    ],
)
def test_what_cannot_be_read_is_parked_and_shows_none(services, assert_none_is_seen, changes):
    delivery = a_delivery(charge(token=TOKEN), **{"headers": TRACED, **changes})

    services.processors["payment"].process([delivery, a_delivery(reserve())])

    assert_none_is_seen()
    assert services.values("payment", "SELECT count(*) FROM dead_letters") == ["2"]


def test_calls_that_fail_show_none(services, assert_none_is_seen):
    command = charge(token=TOKEN)
    services.processors["payment"].process([a_delivery(command, headers=TRACED)])
    services.executor.gateway = HttpGateway("http://127.0.0.1:1", 1)

    with ThreadPoolExecutor(1) as threads:
        services.executor._start(threads)
    services.executor._store()

    seen = assert_none_is_seen()

    [line] = [line for line in seen.lines if line["event"] == "the gateway's answer is not known"]
    assert line["order_id"] == command.key
    assert services.values("payment", "SELECT payment_token FROM payment_intents") == [TOKEN]


def test_a_result_that_cannot_be_stored_shows_none(services, assert_none_is_seen):
    services.processors["payment"].process([a_delivery(charge(token=TOKEN), headers=TRACED)])
    services.change("payment", "ALTER TABLE payments ADD CHECK (status <> 'DECLINED')")

    services.execute()

    seen = assert_none_is_seen()
    [line] = [line for line in seen.lines if line["event"] == "a result cannot be stored"]
    assert "CheckViolation" in line["exception"]


def test_a_database_that_does_not_let_us_in_shows_none(databases, services, assert_none_is_seen):
    app = order_app(WebSettings(databases.url("order").set(password=PASSWORD), (), OPERATOR))

    services.ask("/orders", app, json=PIZZA)
    services.ask("/readyz", app, method="GET")

    app.extensions["engine"].dispose()
    seen = assert_none_is_seen()
    assert services.statuses == [503, 503]
    assert "password authentication failed" in seen.text, "people must see why"


def test_a_process_that_cannot_reach_its_database_shows_none(tmp_path, free_port):
    """A real one, with a real password in its settings, until it says so."""
    log, port = tmp_path / "executor.log", free_port()
    settings = {
        "DATABASE_URL": f"postgresql+psycopg://payment_app:{PASSWORD}@127.0.0.1:{port}/payments",
        "GATEWAY_URL": "http://127.0.0.1:1",
        "HEALTH_BIND": f"127.0.0.1:{free_port()}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "payment.executor"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=output, stderr=output)
    try:
        words = ("the database did not answer", "wake-ups are lost")
        until(
            lambda: all(each in log.read_text() for each in words),
            within_seconds=30,
            what="an executor that says what is wrong",
        )
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10)

    assert PASSWORD not in log.read_text()
    assert all(json.loads(line)["process"] == "payment-executor" for line in log.read_text().splitlines())
