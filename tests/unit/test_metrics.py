"""What processes tell of themselves: by names and labels that stay few, whatever callers send."""

import re
import socket
import time
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
import requests
from flask import Flask
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

import connect.metrics
import messaging.metrics
import payment.metrics
import saga.metrics
import web.metrics
from messaging.metrics import Outcome, count_messages
from payment.gateway import Outcome as Told
from payment.gateway import OutcomeUnknown
from payment.handlers import Result
from payment.models import Operation
from runtime import metrics
from runtime.health import serve_health
from tests.builders import a_delivery, charge
from web.metrics import measure_requests

ROOMS = (connect.metrics, messaging.metrics, payment.metrics, saga.metrics, web.metrics)


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@contextmanager
def one_more(name, number=1, **labels):
    """The figure grows by so much, and not by more."""
    before = counted(name, **labels)
    yield
    assert counted(name, **labels) - before == number


def families(text):
    return {each.name: each for each in text_string_to_metric_families(text)}


# ── where they are


@contextmanager
def health(problems=dict):
    """The address of a process without HTTP of its own."""
    server = serve_health(("127.0.0.1", 0), problems)
    yield server.server_address
    server.shutdown()
    server.server_close()


def test_a_process_without_http_of_its_own_serves_its_figures():
    with health() as (host, port):
        answer = requests.get(f"http://{host}:{port}/metrics", timeout=5)

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert families(answer.text)["process_resident_memory_bytes"].samples[0].value > 1e6


def test_who_connects_and_asks_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr("runtime.health.SILENT_SECONDS", 0.05)

    with health() as address, socket.create_connection(address, timeout=5) as silent:
        assert silent.recv(1) == b""


def test_a_check_that_fails_is_told_in_the_log_without_values(logged):
    def fail():
        int("tok_" + "private")  # a traceback shows this line, too

    with health(fail) as (host, port), pytest.raises(requests.ConnectionError):
        requests.get(f"http://{host}:{port}/readyz", timeout=5)

    [line] = logged()
    assert line["event"] == "a question about health was not answered"
    assert "ValueError" in line["exception"]
    assert "tok_private" not in str(line)


def test_names_are_as_prometheus_asks():
    ours = [each for each in REGISTRY.collect() if each.name.startswith("neverlost_")]
    units = re.compile(r"_(seconds|bytes|messages|requests|calls_in_flight|info|ratio)$")

    assert len(ours) >= len(ROOMS)
    for each in ours:
        assert each.type == "counter" or units.search(each.name), each.name
        assert each.documentation
        assert not re.search(r"milli|_ms|minutes|kilo|mega", each.name)


def test_when_a_series_was_begun_is_not_told():
    count_messages("order", {Outcome.HANDLED: [a_delivery(charge())]})

    assert "_created" not in metrics.exposition().decode()


# ── requests


@pytest.fixture
def client():
    app = Flask("a-service")
    measure_requests(app)

    @app.get("/things/<thing>")
    def show(thing):
        if thing == "broken":
            raise ValueError(thing)
        headers = {"Preference-Applied": "wait=5"} if thing == "held" else {}
        return ("missing", 404) if thing == "missing" else ("there", 200, headers)

    return app.test_client()


@pytest.mark.parametrize(("thing", "status"), [("1", "2xx"), ("missing", "4xx"), ("broken", "5xx")])
def test_a_request_is_counted_by_its_route_and_how_it_ended(client, thing, status):
    labels = {"service": "a-service", "route": "/things/<thing>", "method": "GET"}

    with (
        one_more("neverlost_http_requests_total", **labels, status=status),
        one_more("neverlost_http_request_duration_seconds_count", **labels),
    ):
        client.get(f"/things/{thing}")


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [("GET", "/etc/passwd", "GET"), ("POST", "/things/1", "POST"), ("BREW", "/coffee", "other")],
)
def test_what_no_route_takes_is_told_as_one_whatever_was_asked(client, method, path, told):
    labels = {"service": "a-service", "route": "none", "method": told}

    with one_more("neverlost_http_requests_total", **labels, status="4xx"):
        client.open(path, method=method)

    assert path not in metrics.exposition().decode()


def test_an_answer_that_was_held_because_the_caller_wished_so_is_not_slow(client):
    labels = {"service": "a-service", "route": "/things/<thing>", "method": "GET"}

    with (
        one_more("neverlost_http_requests_total", **labels, status="2xx"),
        one_more("neverlost_http_request_duration_seconds_count", number=0, **labels),
    ):
        client.get("/things/held")


# ── messages and calls


def test_messages_are_counted_by_type_and_a_type_of_nobody_as_other():
    strange = a_delivery(charge(), headers={"ce_type": "of-nobody.v7"})
    labels = {"consumer": "payment", "outcome": "handled"}

    with (
        one_more("neverlost_messages_total", 2, **labels, type="payment.charge.v1"),
        one_more("neverlost_messages_total", 1, **labels, type="other"),
    ):
        count_messages("payment", {Outcome.HANDLED: [a_delivery(charge()), strange, a_delivery(charge())]})


@pytest.mark.parametrize(
    ("ended", "word"),
    [
        (Told("op-1"), "done"),
        (Told("op-1", declined="no money"), "declined"),
        (OutcomeUnknown("no answer"), "unknown"),
        (ValueError("a bug"), "failed"),
    ],
)
def test_what_came_of_a_call_is_told_in_a_word(ended, word):
    call = Future()
    if isinstance(ended, Told):
        call.set_result(Result(None, None, Operation.CHARGE, ended))
    else:
        call.set_exception(ended)

    assert payment.metrics.outcome(call) == word


# ── what they cost


def test_a_figure_costs_less_than_a_hundredth_of_what_it_counts():
    """A request takes milliseconds, and a batch more: what is told of either takes microseconds."""
    labels = ("a-service", "/things/<thing>", "GET")
    began = time.process_time()
    for _ in range(2000):
        web.metrics.REQUESTS.labels(*labels, "2xx").inc()
        web.metrics.REQUEST_SECONDS.labels(*labels).observe(0.01)
    each = (time.process_time() - began) / 2000

    assert each < 100e-6
