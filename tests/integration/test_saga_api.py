"""Cancelling, the timeline and the operator's way into sagas, over HTTP on a real database."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from messaging.batch import BatchProcessor
from messaging.errors import MomentaryFault
from order import handlers
from order.app import create_app
from order.saga_shapes import Sagas, Timeline
from order.shapes import Order
from saga.versions import VersionGone
from tests.builders import a_delivery, captured

TOKEN = "the-operators-token"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def orders(client_of):
    return client_of(create_app, "order")


@pytest.fixture
def order(orders):
    """The id of an order just placed."""
    body = {"items": [{"sku": "PIZZA", "quantity": 1}]}
    return orders.post("/orders", json=body).get_json()["order_id"]


@pytest.fixture
def owner(engine_of):
    return engine_of("order", "migrator")


@pytest.fixture
def stuck(order, owner):
    """An order whose saga waits for a person."""
    with owner.begin() as connection:
        connection.execute(text("UPDATE sagas SET status = 'NEEDS_ATTENTION', due_at = NULL"))
    return order


def act(orders, order, what, **options):
    return orders.post(
        f"/sagas/{order}/{what}", **{"json": {"note": "as agreed"}, "headers": OPERATOR, **options}
    )


def test_an_order_is_cancelled_before_its_pivot(orders, order):
    first, second = (orders.post(f"/orders/{order}/cancel") for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert Order.model_validate(first.get_json()).status == "PENDING"
    assert orders.get(f"/orders/{order}").get_json()["status"] == "PENDING"  # until the money is back


def test_a_completed_order_is_not_cancelled(orders, order, owner):
    with owner.begin() as connection:
        done = """{"charge": ["done", 1, 1, null], "reserve": ["done", 1, 1, null]}"""
        connection.execute(
            text("UPDATE sagas SET status = 'COMPLETED', awaits = '{}', due_at = NULL, steps = :steps"),
            {"steps": done},
        )
        connection.execute(text("UPDATE orders SET status = 'COMPLETED', payment_token = NULL"))

    answer = orders.post(f"/orders/{order}/cancel")

    assert answer.status_code == 409
    assert "COMPLETED" in answer.get_json()["detail"]


NEWER = {
    "version": "UPDATE sagas SET version = 99",
    "progress": """UPDATE sagas SET steps = jsonb_set(steps, '{charge,0}', '"baking"')""",
    "form": """UPDATE sagas SET steps = jsonb_set(steps, '{charge,6}', '"more"')""",
    "shape": """UPDATE sagas SET steps = '{"charge": {"progress": "done"}}'""",
    "cause": """UPDATE sagas SET cause = '["weather", null, null]'""",
    "longer cause": """UPDATE sagas SET cause = '["cancelled", null, null, "more"]'""",
}


@pytest.mark.parametrize("newer", NEWER.values(), ids=NEWER)
@pytest.mark.parametrize("path", ["/orders/{}/cancel", "/sagas/{}/compensate"])
def test_a_saga_of_a_newer_release_is_left_to_it(orders, order, owner, newer, path):
    with owner.begin() as connection:
        connection.execute(text(newer))

    answer = orders.post(path.format(order), json={"note": "as agreed"}, headers=OPERATOR)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_a_reply_to_a_saga_of_a_newer_release_waits_for_it(order, owner, engine_of):
    with owner.begin() as connection:
        connection.execute(text(NEWER["progress"]))

    with pytest.raises(MomentaryFault):
        BatchProcessor(engine_of("order"), handlers.consumer()).process([a_delivery(captured(order))])


@pytest.mark.parametrize("note", ["a\0note", "no", " x "])
def test_a_note_that_cannot_be_kept_or_says_nothing_is_refused(orders, stuck, note):
    assert act(orders, stuck, "retry", json={"note": note}).status_code == 422


@pytest.mark.parametrize("path", ["/orders/{}/cancel", "/sagas/{}/retry"])
def test_what_does_not_exist_is_not_found(orders, path):
    for unknown in (uuid4(), "none"):
        answer = orders.post(path.format(unknown), json={"note": "why not"}, headers=OPERATOR)
        assert answer.status_code == 404
    assert orders.get(f"/orders/{uuid4()}/timeline").status_code == 404


def test_the_timeline_tells_commands_and_replies_with_their_events(orders, order, engine_of):
    BatchProcessor(engine_of("order"), handlers.consumer()).process([a_delivery(captured(order))])

    timeline = Timeline.model_validate(orders.get(f"/orders/{order}/timeline").get_json())

    assert [(entry.kind, entry.type) for entry in timeline.entries] == [
        ("begun", None),
        ("event", "order.created.v1"),
        ("command", "payment.charge.v1"),
        ("command", "inventory.reserve.v1"),
        ("reply", "payment.captured.v1"),
    ]
    assert all(entry.event_id for entry in timeline.entries[1:])
    assert timeline.awaits == ["reserve"]


def test_sagas_are_found_by_state_step_and_age(orders, order):
    def found(query):
        page = Sagas.model_validate(orders.get(f"/sagas{query}", headers=OPERATOR).get_json())
        return [str(saga.order_id) for saga in page.sagas]

    for query in ("", "?state=RUNNING", "?step=charge", "?older_than_seconds=0"):
        assert found(query) == [order]
    for query in ("?state=COMPLETED", "?step=undo charge", "?older_than_seconds=3600"):
        assert found(query) == []


def test_sagas_are_listed_page_by_page(orders):
    body = {"items": [{"sku": "PIZZA", "quantity": 1}]}
    placed = [orders.post("/orders", json=body).get_json()["order_id"] for _ in range(5)]

    seen, path = [], "/sagas?limit=2"
    while path:
        page = orders.get(path, headers=OPERATOR).get_json()
        seen += [saga["order_id"] for saga in page["sagas"]]
        path = f"/sagas?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else None

    assert seen == placed


def test_only_the_operator_sees_and_moves_sagas(orders, order):
    for answer in (
        orders.get("/sagas"),
        orders.get(f"/sagas/{order}"),
        act(orders, order, "retry", headers={}),
        act(orders, order, "compensate", headers={"Authorization": "Bearer wrong"}),
    ):
        assert answer.status_code == 401


def test_a_person_tries_again_and_the_note_is_kept(orders, stuck):
    assert orders.get(f"/orders/{stuck}").get_json()["needs_attention"] is True

    answer = act(orders, stuck, "retry", json={"note": "the gateway is back", "by": "ada"})

    timeline = Timeline.model_validate(answer.get_json())
    noted, *sent = timeline.entries[-3:]
    assert (noted.kind, noted.actor, noted.note) == ("retry", "ada", "the gateway is back")
    assert {(each.kind, each.attempt) for each in sent} == {("command", 2)}
    assert timeline.saga.state == "RUNNING"
    assert "the gateway is back" not in orders.get(f"/orders/{stuck}/timeline").get_data(as_text=True)
    assert orders.get(f"/orders/{stuck}").get_json()["needs_attention"] is False


def test_a_person_turns_an_order_round(orders, stuck):
    timeline = Timeline.model_validate(act(orders, stuck, "compensate").get_json())

    assert timeline.saga.state == "COMPENSATING"
    assert timeline.cause is not None
    assert (timeline.cause.why, timeline.cause.detail) == ("operator", "as agreed")


@pytest.mark.parametrize("what", ["retry", "resolve"])
def test_a_person_does_not_step_in_where_all_is_well(orders, order, what):
    answer = act(orders, order, what)

    assert answer.status_code == 409
    assert "RUNNING" in answer.get_json()["detail"]


@pytest.mark.parametrize("note", [{}, {"note": ""}, {"note": "x" * 501}, {"note": "why", "by": "a b"}])
def test_a_person_says_why(orders, stuck, note):
    assert act(orders, stuck, "retry", json=note).status_code == 422


def test_a_process_does_not_start_without_a_version_that_sagas_need(client_of, order, owner):
    with owner.begin() as connection:
        connection.execute(text("UPDATE sagas SET version = 7, fingerprint = 'gone'"))

    with pytest.raises(VersionGone, match=rf"version 7 \(gone\), which 1 need, the oldest {order}"):
        client_of(create_app, "order")
