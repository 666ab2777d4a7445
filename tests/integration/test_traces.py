"""One trace id from the request to the last row of its order, in every way that it can go on.

Real databases, handlers, executor and gateway; records go from the outboxes to the consumers as the relay
brings them.
"""

import threading
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from contracts.messages import Item, StockReserved
from contracts.services import SERVICES
from messaging.batch import BatchProcessor
from messaging.discard import Order as Discard
from messaging.discard import discard
from messaging.letters import Wanted
from messaging.redrive import redrive
from order import handlers
from order.saga import Patience
from payment import webhooks
from runtime import trace
from runtime.waiting import until
from saga import people
from saga.deadlines import elapse
from saga.people import By
from tests.builders import a_delivery, captured, charge, refund
from tests.integration.crash.one_order import CONSUMERS, Pipeline
from web.group_commit import GroupCommit

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{CALLER}-01"
ANOTHER = f"00-{'a' * 32}-{'b' * 16}-00"
PIZZA = {"items": [{"sku": "PIZZA", "quantity": 1}]}
SOLD_OUT = {"items": [{"sku": "SOLD-OUT", "quantity": 1}]}
ROWS = "SELECT type, traceparent FROM outbox WHERE aggregateid = :id ORDER BY id"


@pytest.fixture
def services(databases, gateway_at):
    owners = {s.name: create_engine(databases.url(s.name, "migrator")) for s in SERVICES}
    running = Services({s.name: databases.url(s.name) for s in SERVICES}, owners, gateway_at())
    yield running
    running.close()
    for owner in owners.values():
        owner.dispose()


class Services(Pipeline):
    """The same processes, asked with a trace."""

    def post(self, path, body=None, **headers):
        return self.app.test_client().post(path, json=body, headers=headers)

    def order(self, body, **headers):
        answer = self.post("/orders", body, **headers)
        assert answer.status_code == 201
        return answer.get_json()["order_id"], trace.parse(answer.headers["traceresponse"])

    def told(self, order_id):
        """Every row of the order in all outboxes: the span that it names, by type."""
        return {row.type: trace.parse(row.traceparent) for row in self.written(order_id)}

    def ask(self, service, statement, **values):
        with self.owners[service].connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def change(self, service, statement, **values):
        with self.owners[service].begin() as connection:
            connection.execute(text(statement), values)


PLACED = {"order.created.v1", "payment.charge.v1", "inventory.reserve.v1"}
ENDS = {
    "COMPLETED": (PIZZA, {"payment.captured.v1", "stock.reserved.v1", "order.completed.v1"}),
    "OUT_OF_STOCK": (SOLD_OUT, {"stock.rejected.v1", "payment.refunded.v1", "order.failed.v1"}),
}


@pytest.mark.parametrize("status", ENDS)
def test_a_trace_goes_through_every_row_of_an_order(services, status):
    body, answers = ENDS[status]
    order_id, request = services.order(body, traceparent=SENT)

    services.run(order_id)

    told = services.told(order_id)
    assert services.ask("order", "SELECT status FROM orders") == [(status,)]
    assert {*PLACED, *answers} <= set(told)
    assert {span.trace_id for span in told.values()} == {TRACE}
    assert {span.flags for span in told.values()} == {1}
    # What the request wrote names the request; whoever answers is a span of its own.
    assert {told[kind].span_id for kind in PLACED} == {request.span_id}
    assert len({CALLER, request.span_id, *(told[kind].span_id for kind in answers)}) == 5


def test_a_request_without_a_trace_or_with_none_that_is_good_begins_one(services):
    for headers in ({}, {"traceparent": SENT.upper()}, {"traceparent": f"{SENT},{SENT}"}):
        order_id, request = services.order(PIZZA, **headers)
        services.run(order_id)

        assert request.trace_id != TRACE
        assert request.is_sampled
        assert {span.trace_id for span in services.told(order_id).values()} == {request.trace_id}


def test_what_is_not_sampled_stays_so_to_the_end(services):
    order_id, _ = services.order(PIZZA, traceparent=SENT[:-1] + "0")
    services.run(order_id)

    assert {span.flags for span in services.told(order_id).values()} == {0}


def test_the_timeline_and_the_answers_of_all_services_name_the_trace(services):
    order_id, _ = services.order(PIZZA, traceparent=SENT)

    answer = services.app.test_client().get(f"/orders/{order_id}/timeline", headers={"traceparent": ANOTHER})

    assert answer.get_json()["trace_id"] == TRACE
    assert answer.headers["traceresponse"].startswith(f"00-{'a' * 32}-")
    lost = services.app.test_client().get("/nowhere", headers={"traceparent": SENT})
    assert (lost.status_code, trace.trace_id(lost.headers["traceresponse"])) == (404, TRACE)


def test_orders_that_share_a_transaction_keep_each_its_own_trace(services, monkeypatch):
    """Twenty at once: whoever comes first commits for the others."""
    sent, came, do = {uuid4().hex: None for _ in range(20)}, [], GroupCommit.do

    def place(trace_id):
        sent[trace_id] = services.order(PIZZA, traceparent=f"00-{trace_id}-{CALLER}-01")[0]

    monkeypatch.setattr(GroupCommit, "do", lambda *group: came.append(1) or do(*group))
    clients = [threading.Thread(target=place, args=(trace_id,)) for trace_id in sent]
    with services.owners["order"].begin() as holding:
        # The first to come waits for the catalogue, and all others for the first.
        holding.execute(text("LOCK TABLE products"))
        for client in clients:
            client.start()
        until(lambda: len(came) == len(sent), within_seconds=4, what="all requests to wait")
    for client in clients:
        client.join(timeout=60)

    for trace_id, order_id in sent.items():
        assert {span.trace_id for span in services.told(order_id).values()} == {trace_id}
    [(transactions,)] = services.ask("order", "SELECT count(DISTINCT xact) FROM outbox")
    assert transactions < len(sent)


def test_what_a_later_request_changes_goes_on_in_its_own_trace(services):
    order_id, _ = services.order(PIZZA, traceparent=SENT)

    services.post(f"/orders/{order_id}/cancel", traceparent=ANOTHER)
    services.run(order_id)

    told = services.told(order_id)
    theirs = {kind for kind, span in told.items() if span.trace_id == "a" * 32}
    assert {"payment.refund.v1", "inventory.release.v1", "payment.refunded.v1", "order.failed.v1"} <= theirs
    assert told["stock.reserved.v1"].trace_id == TRACE


class TestTheOrderWorker:
    @pytest.fixture
    def sagas(self):
        return handlers.orchestrator(Patience(60, 120))

    @pytest.fixture
    def order(self, services, sagas):
        with services.engines["order"].begin() as connection:
            basket = handlers.Basket([Item(sku="PIZZA", quantity=1)], "tok_ok", SENT)
            return handlers.place_orders(connection, sagas, [basket])[0].id

    def last(self, services, order):
        return trace.parse(services.ask("order", ROWS, id=str(order))[-1][1])

    def test_takes_two_answers_at_once_and_goes_on_from_the_one_that_ended_it(self, services, order):
        first = a_delivery(captured(order), headers={"traceparent": SENT})
        second = a_delivery(StockReserved(order_id=order), headers={"traceparent": ANOTHER})

        services.processors["order"].process([first, second])

        assert services.ask("order", ROWS, id=str(order))[-1][0] == "order.completed.v1"
        assert self.last(services, order) == trace.parse(second.traceparent)

    def test_does_not_go_on_from_one_that_changed_nothing(self, services, order):
        moving = [
            a_delivery(each, headers={"traceparent": SENT})
            for each in (captured(order), StockReserved(order_id=order))
        ]
        ignored = a_delivery(captured(order), headers={"traceparent": ANOTHER})

        services.processors["order"].process([*moving, ignored])

        assert self.last(services, order) == trace.parse(moving[1].traceparent)

    def test_is_moved_by_the_clock_in_the_trace_that_the_saga_began_in(self, services, order, sagas):
        services.change(
            "order", "UPDATE sagas SET steps = regexp_replace(steps::text, '20[0-9]{2}-', '2001-')::jsonb"
        )

        with services.engines["order"].begin() as connection:
            assert elapse(sagas, connection, [order]) == 1

        rows = services.ask("order", ROWS, id=str(order))
        assert [kind for kind, _ in rows[3:]] == ["payment.refund.v1", "inventory.release.v1"]
        assert {traceparent for _, traceparent in rows[3:]} == {SENT}

    def test_a_person_who_steps_in_by_code_alone_goes_on_in_it_too(self, services, order, sagas):
        with services.engines["order"].begin() as connection:
            people.cancel(sagas, connection, order, By("customer"))

        assert self.last(services, order) == trace.parse(SENT)

    def test_a_saga_from_before_there_were_traces_goes_on(self, services, order):
        services.change("order", "UPDATE sagas SET traceparent = NULL")

        services.processors["order"].process([a_delivery(captured(order))])
        services.processors["order"].process([a_delivery(StockReserved(order_id=order))])

        assert services.ask("order", "SELECT status FROM orders") == [("COMPLETED",)]
        assert self.last(services, order).trace_id != TRACE


class TestThePaymentService:
    def requested(self, services, headers):
        command = a_delivery(charge(), headers=headers)
        services.processors["payment"].process([command])
        return command

    def reply(self, services):
        return trace.parse(services.ask("payment", "SELECT traceparent FROM outbox")[-1][0])

    def test_calls_the_gateway_in_the_trace_of_the_command(self, services):
        command = self.requested(services, {"traceparent": SENT})

        services.execute()

        assert services.ask("payment", "SELECT traceparent FROM payment_intents") == [(command.traceparent,)]
        assert self.reply(services).trace_id == TRACE
        assert self.reply(services).span_id not in {CALLER, trace.parse(command.traceparent).span_id}

    def test_believes_a_webhook_in_the_trace_of_the_intent(self, services):
        command = self.requested(services, {"traceparent": SENT})
        [(key,)] = services.ask("payment", "SELECT id FROM payment_intents")
        settled = webhooks.Settled(key=str(key), reference="op_1", declined=None)

        with services.engines["payment"].begin() as connection:
            webhooks.take(connection, "msg_1", settled)

        assert self.reply(services) == trace.parse(command.traceparent)

    def test_calls_for_an_intent_from_before_there_were_traces(self, services):
        self.requested(services, {})
        services.change("payment", "UPDATE payment_intents SET traceparent = NULL")

        services.execute()

        assert self.reply(services).is_sampled

    def test_answers_a_refund_of_nothing_in_the_trace_of_its_command(self, services):
        command = a_delivery(refund(uuid4()), headers={"traceparent": SENT})

        services.processors["payment"].process([command])

        assert self.reply(services) == trace.parse(command.traceparent)


class TestWhatIsParked:
    @pytest.fixture(autouse=True)
    def parked(self, services):
        """A command that cannot be handled, as it was parked."""
        command = a_delivery(charge(), headers={"traceparent": SENT})
        services.processors["payment"].process([replace(command, value=b"{}")])
        return command

    def spans(self, services):
        rows = services.ask("payment", "SELECT type, traceparent FROM outbox ORDER BY id")
        return [(kind, trace.parse(traceparent)) for kind, traceparent in rows]

    def test_is_told_of_in_its_trace_and_keeps_it(self, services):
        [(kind, span)] = self.spans(services)

        assert kind == "payment.command-parked.v1"
        assert span.trace_id == TRACE
        [(headers,)] = services.ask("payment", "SELECT headers FROM dead_letters")
        assert headers["traceparent"] == SENT

    def test_goes_on_in_it_when_it_is_handled_again(self, services, parked):
        services.change(
            "payment",
            "UPDATE dead_letters SET value = convert_to(:value, 'UTF8')",
            value=parked.value.decode(),
        )

        assert redrive(services.engines["payment"], CONSUMERS["payment"]).handled == 1
        services.execute()

        assert [kind for kind, _ in self.spans(services)][1:] == ["payment.captured.v1"]
        assert {span.trace_id for _, span in self.spans(services)} == {TRACE}

    def test_and_when_it_is_given_up(self, services, parked):
        order = Discard(Wanted(key=parked.key), "anna", "no use")

        discard(services.engines["payment"], CONSUMERS["payment"], order)

        assert [span.trace_id for _, span in self.spans(services)] == [TRACE, TRACE]


def test_a_batch_that_is_tried_again_hands_on_the_same_span(services, engine_of):
    """What failed for a neighbour's sake is done once more, and is still the same thing done."""
    good = a_delivery(charge(), headers={"traceparent": SENT})
    bad = a_delivery(charge(), value=b"{")

    BatchProcessor(engine_of("payment"), CONSUMERS["payment"]).process([good, bad])

    assert services.ask("payment", "SELECT traceparent FROM payment_intents") == [(good.traceparent,)]


def test_lines_about_one_message_name_it_its_order_and_its_trace(services, logged):
    order_id, _ = services.order(PIZZA, traceparent=SENT)
    services.run(order_id)

    lines = [line for line in logged() if order_id in (line.get("order_id"), line.get("saga_id"))]
    assert {line["event"] for line in lines} >= {
        "order accepted",
        "stock decided",
        "payment settled",
        "order moved",
    }
    assert {line["trace_id"] for line in lines} == {TRACE}
    ids = {str(row.id) for row in services.written(order_id)}
    assert {line["event_id"] for line in lines if "event_id" in line} <= ids
    assert all("event_id" in line for line in lines if line["event"] == "stock decided")
