"""Spans of one order, as a collector gets them: exported by the real SDK, and decoded here."""

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sqlalchemy import create_engine, text

from contracts.services import SERVICES
from messaging.redrive import redrive
from runtime import spans
from runtime.spans import ENDPOINT
from runtime.waiting import until
from stack.layout import ROOT
from tests.builders import a_delivery, charge
from tests.integration.crash.one_order import CONSUMERS, Pipeline

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PIZZA = {"items": [{"sku": "PIZZA", "quantity": 1}]}
SERVER, CLIENT, CONSUMER = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_CONSUMER


class Collector:
    """What an OTLP collector does with a request over HTTP: decodes it, and says so."""

    def __init__(self):
        self.received, self.paths = [], set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_what):
                """Tests tell what is of interest."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, request):
        self.paths.add(path)
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.received += [(names["service.name"], span) for span in scope.spans]

    def spans(self, trace_id=TRACE):
        return [span for _, span in self.received if span.trace_id.hex() == trace_id]

    def wait_for(self, number, trace_id=TRACE):
        """So many spans of a trace, and no more than that."""
        until(
            lambda: len(self.spans(trace_id)) >= number,
            within_seconds=20,
            what=f"{number} spans",
            every_seconds=0.05,
        )
        assert len(self.spans(trace_id)) == number
        return self.spans(trace_id)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def collector(monkeypatch):
    collector = Collector()
    monkeypatch.setenv(ENDPOINT, collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setattr(spans, "_collectors", [])
    yield collector
    for tell in spans._collectors:
        tell.__self__.provider.shutdown()
    collector.close()


@pytest.fixture
def services(collector, databases, gateway_at):
    """Switched on by the order service's start, as any process is."""
    owners = {s.name: create_engine(databases.url(s.name, "migrator")) for s in SERVICES}
    running = Pipeline({s.name: databases.url(s.name) for s in SERVICES}, owners, gateway_at())
    yield running
    running.close()
    for owner in owners.values():
        owner.dispose()


def place(services, flags="01"):
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-{flags}"}
    answer = services.app.test_client().post("/orders", json=PIZZA, headers=headers)
    return answer.get_json()["order_id"]


def attributes(span):
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_one_trace_goes_from_the_request_over_outbox_consumer_and_gateway_to_the_end(services, collector):
    order_id = place(services)
    services.run(order_id)

    found = collector.wait_for(7)

    named = {span.name: span for span in found}
    parents = {span.name: span.parent_span_id.hex() for span in found}
    ids = {name: span.span_id.hex() for name, span in named.items()}
    assert parents == {
        "POST /orders": CALLER,
        "process payment-commands": ids["POST /orders"],
        "gateway charge": ids["process payment-commands"],
        "process payment-success": ids["gateway charge"],
        "process inventory-commands": ids["POST /orders"],
        "process stock-reserved": ids["process inventory-commands"],
        "process order-completed": parents["process order-completed"],
    }
    assert parents["process order-completed"] in {
        ids["process payment-success"],
        ids["process stock-reserved"],
    }
    assert {name: span.kind for name, span in named.items()} == {
        name: {"POST": SERVER, "gateway": CLIENT, "process": CONSUMER}[name.split()[0]] for name in named
    }
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in found)
    assert all(attributes(span).get("order_id", order_id) == order_id for span in found)
    assert {span.status.code for span in found} == {Status.STATUS_CODE_UNSET}
    assert collector.paths == {"/v1/traces"}
    assert {name for name, _ in collector.received} == {"order"}


def test_a_message_is_told_in_the_words_that_are_agreed_on(services, collector):
    services.run(place(services))

    [span] = [span for span in collector.wait_for(7) if span.name == "process payment-commands"]

    told = attributes(span)
    assert told["messaging.system"] == "kafka"
    assert told["messaging.destination.name"] == "payment-commands"
    assert told["messaging.consumer.group.name"] == "payment"
    assert told["message.type"] == "payment.charge.v1"


def test_what_is_not_sampled_is_not_told(services, collector):
    services.run(place(services, flags="00"))
    answer = services.app.test_client().get("/orders", headers={"traceparent": f"00-{'c' * 32}-{CALLER}-01"})

    collector.wait_for(1, "c" * 32)

    assert answer.status_code == 200
    assert collector.spans() == []


def test_a_message_that_is_parked_ends_in_an_error(services, collector):
    bad = a_delivery(charge(), value=b"{}", headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    services.processors["payment"].process([bad])

    [span] = collector.wait_for(1)

    assert span.status.code == Status.STATUS_CODE_ERROR
    assert "order_id: Field required" in span.status.message


def test_a_letter_that_is_redriven_is_told_each_time_in_its_trace(services, collector):
    bad = a_delivery(charge(), value=b"{}", headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    services.processors["payment"].process([bad])
    redrive(services.engines["payment"], CONSUMERS["payment"])
    with services.owners["payment"].begin() as connection:
        mended = charge(order_id=bad.key).model_dump_json().encode()
        connection.execute(text("UPDATE dead_letters SET value = :value"), {"value": mended})

    redrive(services.engines["payment"], CONSUMERS["payment"])

    found = sorted(collector.wait_for(3), key=lambda span: span.start_time_unix_nano)
    unset, error = Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR
    assert [span.status.code for span in found] == [error, error, unset]
    assert {span.parent_span_id.hex() for span in found} == {CALLER}
    assert len({span.span_id for span in found}) == 3


def test_a_message_that_comes_again_is_told_once(services, collector):
    message = a_delivery(charge(), headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    other = a_delivery(charge(), headers={"traceparent": f"00-{'d' * 32}-{CALLER}-01"})

    services.processors["payment"].process([message, replace(message)])
    services.processors["payment"].process([replace(message), other])

    collector.wait_for(1, "d" * 32)
    assert Counter(span.name for span in collector.spans()) == {"process payment-commands": 1}


def test_a_collector_that_is_away_stops_nothing(services, collector):
    collector.close()

    order_id = place(services)
    services.run(order_id)

    assert services.app.test_client().get(f"/orders/{order_id}").get_json()["status"] == "COMPLETED"


PROCESSES = "import order.app, order.worker, order.deadlines, payment.app, payment.executor, inventory.worker"


def run(program, **environment):
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout + done.stderr


def test_nothing_of_it_is_imported_where_no_collector_is_named():
    told = run(
        f"{PROCESSES}\nimport sys; from runtime import spans; spans.switch_on('p')\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')], spans.are_wanted())"
    )

    assert told.strip() == "[] False"


def test_a_process_goes_on_and_says_so_where_its_packages_are_not_there():
    told = run(
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from runtime import logs, spans; logs.configure('p'); spans.switch_on('p')\n"
        "print(spans.are_wanted())",
        **{ENDPOINT: "http://127.0.0.1:9"},
    )

    assert "no spans are exported: requirements/otel.txt is not installed" in told
    assert told.startswith("False")


def test_a_process_ends_in_its_time_whatever_its_collector_does():
    program = (
        "from runtime import spans, trace; from runtime.spans import Ended, Kind\n"
        "spans.switch_on('p'); spans.tell(Ended(trace.begin(), None, 'x', Kind.SERVER, 1, 2, {}))"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        run(program, **{ENDPOINT: "http://{}:{}".format(*silent.getsockname())})

    assert time.monotonic() - began < 8, "it is killed after ten"
