"""The gateway's webhooks: before the answer, twice, out of order, forged; and how the gateway sends them."""

import base64
import hashlib
import hmac
import json
import threading
import time
from uuid import uuid4

import pytest
from werkzeug.serving import make_server

from payment.app import PaymentSettings, create_app
from payment.executor import call
from payment.simulated_webhooks import QUEUE_MAX, WebhookSender
from runtime.environment import Environment
from runtime.errors import SettingsError
from runtime.waiting import Backoff, until
from tests.builders import charge, refund
from tests.cashier import operations
from web.app import WebSettings

SECRET = "the-gateways-secret"
PATH = "/webhooks/gateway"


@pytest.fixture
def app_with(databases):
    """A function from webhook secrets to the payment service's application."""
    opened = []

    def open_app(*secrets):
        settings = WebSettings(databases.url("payment"), (), "token")
        opened.append(create_app(settings, PaymentSettings(secrets)))
        return opened[-1]

    yield open_app
    for app in opened:
        app.extensions["engine"].dispose()


@pytest.fixture
def api(app_with):
    return app_with("an-older-secret", SECRET).test_client()


@pytest.fixture
def served(app_with, free_port):
    """The payment service's HTTP on a port: the webhook's URL."""
    port = free_port()
    server = make_server("127.0.0.1", port, app_with(SECRET), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{port}{PATH}"
    server.shutdown()
    server.server_close()


def body(key, declined=None, reference="op_1"):
    data = {"key": str(key), "reference": reference, "declined": declined}
    return json.dumps({"type": "operation.settled", "data": data})


def signed(payload, *, webhook_id=None, secret=SECRET, age=0):
    """The headers, made without the service's own code."""
    webhook_id, timestamp = webhook_id or f"msg_{uuid4()}", str(int(time.time()) - age)
    content = f"{webhook_id}.{timestamp}.{payload}".encode()
    mac = base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{mac}",
        "Content-Type": "application/json",
    }


def post(api, payload, **how):
    return api.post(PATH, data=payload, headers=signed(payload, **how))


def intent(cashier, operation="charge"):
    [(key,)] = cashier.rows(f"SELECT id FROM payment_intents WHERE operation = '{operation}'")
    return key


def test_a_webhook_before_the_answer_settles_and_the_answer_then_changes_nothing(cashier, api, gateway_at):
    cashier.receives(charge())
    executor = cashier.executor(gateway_at())
    [claimed] = executor._claim(10)
    result = call(executor.gateway, claimed)

    assert post(api, body(claimed.id, reference=result.outcome.reference)).status_code == 200
    assert cashier.payment() == ("CAPTURED", 1250, 0)
    executor._store_calls([result])

    assert cashier.told() == ["payment.captured.v1"]
    assert cashier.rows("SELECT operation, amount, gateway_reference FROM payment_ledger") == [
        ("charge", 1250, result.outcome.reference)
    ]
    assert cashier.fence() == ("done", 1)


def test_a_webhook_after_the_answer_changes_nothing(cashier, api, gateway_at):
    cashier.receives(charge())
    cashier.execute(gateway_at())

    assert post(api, body(intent(cashier), declined="a lie")).status_code == 200

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert cashier.told() == ["payment.captured.v1"]


def test_webhook_and_answer_at_once_settle_once(cashier, api, gateway_at):
    cashier.receives(*(charge() for _ in range(20)))
    executor = cashier.executor(gateway_at())
    claimed = executor._claim(20)
    results = [call(executor.gateway, each) for each in claimed]
    told = [body(r.intent_id, reference=r.outcome.reference) for r in results]
    storing = threading.Thread(target=executor._store_calls, args=(results,))

    storing.start()
    answers = {post(api, each).status_code for each in told}
    storing.join(timeout=30)

    assert answers == {200}
    assert cashier.told() == ["payment.captured.v1"] * 20
    assert cashier.rows("SELECT count(*) FROM payment_ledger") == [(20,)]


def test_a_webhook_tells_of_a_declined_charge(cashier, api):
    cashier.receives(charge())

    assert post(api, body(intent(cashier), declined="no money")).status_code == 200

    assert cashier.payment() == ("DECLINED", 0, 0)
    assert cashier.last_told()["reason"] == "no money"


def test_the_same_webhook_twice_or_at_once_changes_nothing_more(cashier, api):
    cashier.receives(charge())
    payload = body(intent(cashier))
    threads = [
        threading.Thread(target=post, args=(api, payload), kwargs={"webhook_id": "msg_1"}) for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    repeated = post(api, payload, webhook_id="msg_1")

    assert repeated.status_code == 200
    assert cashier.told() == ["payment.captured.v1"]
    assert cashier.rows("SELECT id FROM webhook_deliveries") == [("msg_1",)]


def test_an_id_that_was_taken_is_not_taken_for_something_else(cashier, api):
    cashier.receives(charge())
    post(api, body(uuid4()), webhook_id="msg_1")

    assert post(api, body(intent(cashier)), webhook_id="msg_1").status_code == 200

    assert cashier.payment() == ("REQUESTED", 0, 0)


def test_webhooks_out_of_order_leave_what_their_operations_did(cashier, api, gateway_at):
    """The charge's comes after the refund's: both were settled by then."""
    url, order = gateway_at(), charge()
    cashier.receives(order)
    cashier.execute(url)
    cashier.receives(refund(order.order_id))
    executor = cashier.executor(url)
    [claimed] = executor._claim(10)
    call(executor.gateway, claimed)

    for key in (claimed.id, intent(cashier)):
        assert post(api, body(key, reference="op_2")).status_code == 200

    assert cashier.payment() == ("REFUNDED", 1250, 1250)
    assert cashier.told() == ["payment.captured.v1", "payment.refunded.v1"]
    assert cashier.is_in_sync(url)


def test_a_refusal_to_refund_by_webhook_is_told(cashier, api, gateway_at):
    url, order = gateway_at(), charge()
    cashier.receives(order)
    cashier.execute(url)
    cashier.receives(refund(order.order_id))

    assert post(api, body(intent(cashier, "refund"), declined="no refunds")).status_code == 200

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert cashier.told()[-1] == "payment.refund-failed.v1"


def test_a_webhook_does_not_bring_a_withdrawn_charge_back(cashier, api):
    order = charge()
    cashier.receives(order)
    cashier.receives(refund(order.order_id))

    assert post(api, body(intent(cashier))).status_code == 200

    assert cashier.payment() == ("REFUNDED", 0, 0)


@pytest.mark.parametrize("key", ["00000000-0000-0000-0000-000000000001", "no id of ours"])
def test_a_key_that_is_not_ours_is_taken_and_told_to_the_log(cashier, api, logged, key):
    answer = post(api, body(key), webhook_id="msg_1")

    assert answer.status_code == 200
    assert [(line["event"], line["webhook_id"]) for line in logged()] == [
        ("a webhook names no intent of ours", "msg_1")
    ]
    assert cashier.rows("SELECT id FROM webhook_deliveries") == [("msg_1",)]


FORGERIES = {
    "another secret": {"secret": "guessed"},
    "too old": {"age": 301},
    "from the future": {"age": -310},
    "no id": {"webhook_id": " "},
    "an endless id": {"webhook_id": "x" * 201},
}


@pytest.mark.parametrize("how", FORGERIES.values(), ids=list(FORGERIES))
def test_what_is_forged_or_old_is_refused_and_changes_nothing(cashier, api, logged, how):
    cashier.receives(charge())
    payload = body(intent(cashier), reference="canary")

    answer = post(api, payload, **how)

    refused(answer, cashier)
    assert logged()[-1]["event"] == "a webhook was refused"
    assert "canary" not in json.dumps(logged())


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_one_of_its_headers_a_webhook_is_refused(cashier, api, name):
    cashier.receives(charge())
    payload = body(intent(cashier))
    headers = signed(payload)
    headers.pop(name)

    refused(api.post(PATH, data=payload, headers=headers), cashier)


def test_a_body_that_was_changed_on_the_way_is_refused(cashier, api):
    cashier.receives(charge())
    headers = signed(body(intent(cashier), declined="no money"))

    refused(api.post(PATH, data=body(intent(cashier)), headers=headers), cashier)


def refused(answer, cashier):
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"]
    assert cashier.payment() == ("REQUESTED", 0, 0)
    assert cashier.rows("SELECT * FROM webhook_deliveries") == []


@pytest.mark.parametrize(
    "payload",
    [
        "{",
        "[]",
        "{}",
        '{"data": {}}',
        '{"data": {"key": 1, "reference": "r", "declined": null}}',
        '{"data": {"key": "k", "reference": "", "declined": null}}',
        '{"data": {"key": "k", "reference": "\\u0000", "declined": null}}',
    ],
)
def test_a_body_that_says_nothing_is_unprocessable_and_not_remembered(cashier, api, payload):
    answer = post(api, payload)

    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "body"
    assert cashier.rows("SELECT * FROM webhook_deliveries") == []


def test_a_body_that_is_too_large_is_refused_before_it_is_looked_at(api):
    assert post(api, "x" * 70_000).status_code == 413


def test_without_a_secret_there_is_no_such_path(app_with):
    assert post(app_with().test_client(), body(uuid4())).status_code == 404


def test_an_older_secret_is_believed_while_the_new_one_is_brought_in(cashier, api):
    cashier.receives(charge())

    assert post(api, body(intent(cashier)), secret="an-older-secret").status_code == 200

    assert cashier.payment() == ("CAPTURED", 1250, 0)


def test_each_line_of_the_file_is_a_secret(tmp_path):
    (tmp_path / "secret").write_text("one\n\n two \n")
    environment = Environment({"WEBHOOK_SECRET_FILE": str(tmp_path / "secret")})

    assert PaymentSettings.read(environment).webhook_secrets == ("one", "two")
    assert PaymentSettings.read(Environment({})).webhook_secrets == ()


def test_a_secret_that_nothing_can_be_signed_with_is_told_at_the_start(tmp_path):
    (tmp_path / "secret").write_text("whsec_c2V\n")
    environment = Environment({"WEBHOOK_SECRET_FILE": str(tmp_path / "secret")})
    PaymentSettings.read(environment)

    with pytest.raises(SettingsError, match="WEBHOOK_SECRET_FILE holds a secret that is no base64"):
        environment.check()


# ── how the simulated gateway sends them


def test_a_charge_without_an_answer_is_settled_by_the_gateways_webhook(cashier, gateway_at, served):
    """The webhook comes while the executor still waits for the answer that never comes."""
    url = gateway_at(webhook_url=served, secrets=(SECRET,))
    cashier.receives(charge(token="tok_timeout_charged"))
    executor = cashier.executor(url)
    [claimed] = executor._claim(10)
    calling = threading.Thread(target=pytest.raises, args=(Exception, call, executor.gateway, claimed))

    calling.start()
    until(lambda: not cashier.open_intents(), within_seconds=10, what="the webhook to settle the charge")
    calling.join(timeout=10)

    assert cashier.payment() == ("CAPTURED", 1250, 0)
    assert cashier.told() == ["payment.captured.v1"]
    assert cashier.is_in_sync(url)


def test_webhooks_and_executor_together_settle_everything_once(cashier, gateway_at, served):
    url, orders = gateway_at(webhook_url=served, secrets=("older", SECRET)), [charge() for _ in range(30)]
    cashier.receives(*orders)
    cashier.execute(url)
    cashier.receives(*(refund(order.order_id) for order in orders))
    cashier.execute(url)

    taken = "SELECT 1 FROM webhook_deliveries HAVING count(*) = 60"
    until(lambda: cashier.rows(taken), within_seconds=20, what="every webhook to be taken")

    assert cashier.told().count("payment.captured.v1") == 30
    assert cashier.told().count("payment.refunded.v1") == 30
    assert len(operations(url)) == 60
    assert cashier.rows("SELECT DISTINCT status, captured - refunded FROM payments") == [("REFUNDED", 0)]


def test_a_webhook_that_is_not_taken_is_sent_again_under_its_id_and_given_up_at_last(free_port):
    calls, stop = [], threading.Event()
    server = make_server("127.0.0.1", free_port(), _refuse_until(3, calls), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pauses = Backoff(attempts=3, first_seconds=0.01, most_seconds=0.01)
    sender = WebhookSender(f"http://127.0.0.1:{server.port}", (SECRET,), stop, pauses)
    threading.Thread(target=sender.run, daemon=True).start()

    sender.tell("first", {"reference": "op_1", "declined": None})
    sender.tell("second", {"reference": "op_2", "declined": None})
    until(lambda: len(calls) == 4, within_seconds=10, what="three attempts and the next webhook")
    stop.set()
    server.shutdown()
    server.server_close()

    assert calls == ["msg_first"] * 3 + ["msg_second"]


def _refuse_until(number, calls):
    """A receiver that refuses the first so many calls."""

    def receive(environ, start_response):
        calls.append(environ["HTTP_WEBHOOK_ID"])
        start_response("200 OK" if len(calls) > number else "503 Service Unavailable", [])
        return [b""]

    return receive


def test_a_full_queue_drops_its_oldest():
    sender = WebhookSender("http://127.0.0.1:1", (SECRET,), threading.Event())

    for number in range(QUEUE_MAX + 1):
        sender.tell(str(number), {})

    assert [each["key"] for each in sender._queue] == [str(number) for number in range(1, QUEUE_MAX + 1)]


def test_without_an_address_nothing_is_queued():
    sender = WebhookSender("", (), threading.Event())

    sender.tell("key", {})

    assert not sender._queue
