"""The three APIs on real databases: what is answered, and that bad input changes nothing."""

import io
import json
from uuid import uuid4

import pytest
from sqlalchemy import text

from inventory.app import create_app as inventory_app
from order.app import create_app as order_app
from payment.app import create_app as payment_app

TOKEN = "the-operators-token"


@pytest.fixture
def orders(client_of):
    return client_of(order_app, "order")


@pytest.fixture
def stock(client_of):
    return client_of(inventory_app, "inventory")


@pytest.fixture
def rows(engine_of):
    """A function that counts what the order service holds."""
    engine = engine_of("order", "migrator")

    def count():
        with engine.connect() as connection:
            return connection.execute(
                text("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox)")
            ).one()

    return count


def test_an_order_is_taken_with_its_event_and_its_first_commands(orders, engine_of):
    answer = orders.post(
        "/orders", json={"items": [{"sku": "PIZZA", "quantity": 2}, {"sku": "PHONE", "quantity": 1}]}
    )

    assert answer.status_code == 201
    order = answer.get_json()
    assert order["status"] == "PENDING"
    assert order["needs_attention"] is False
    assert order["items"][0] == {"sku": "PIZZA", "quantity": 2, "unit_price": 1250}
    assert order["total"] == {"amount": 2 * 1250 + 69900, "currency": "EUR"}
    assert orders.get(answer.headers["Location"]).get_json() == order
    with engine_of("order", "migrator").connect() as connection:
        told = connection.execute(
            text("SELECT type, topic, sequence, aggregateid FROM outbox ORDER BY id")
        ).all()
    assert [tuple(row) for row in told] == [
        ("order.created.v1", "order-created", 1, order["order_id"]),
        ("payment.charge.v1", "payment-commands", 2, order["order_id"]),
        ("inventory.reserve.v1", "inventory-commands", 3, order["order_id"]),
    ]


@pytest.mark.parametrize("product", ["Phone", "phone", "PHONE"])
def test_one_product_is_ordered_by_its_name(orders, product):
    answer = orders.post("/order", json={"product": product})

    assert answer.status_code == 201
    assert set(answer.get_json()) == {"orderId", "product", "status"}
    assert answer.get_json()["status"] == "PENDING"
    assert orders.get(f"/orders/{answer.get_json()['orderId']}").get_json()["items"][0]["sku"] == "PHONE"


def item(**changes):
    return {"items": [{"sku": "PIZZA", "quantity": 1, **changes}]}


BAD_ORDERS = {
    "no JSON": ("{", 400, None),
    "no text": (b"\xff\xfe", 400, None),
    "nothing": ("", 400, None),
    "no object": ("[]", 422, "body"),
    "no items": ({}, 422, "items"),
    "no item": ({"items": []}, 422, "items"),
    "too many items": ({"items": [{"sku": f"S{n}", "quantity": 1} for n in range(51)]}, 422, "items"),
    "an unknown field": ({**item(), "status": "PAID"}, 422, "status"),
    "a price of one's own": (item(unit_price=1), 422, "items[0].unit_price"),
    "no quantity": ({"items": [{"sku": "PIZZA"}]}, 422, "items[0].quantity"),
    "quantity 0": (item(quantity=0), 422, "items[0].quantity"),
    "quantity 1001": (item(quantity=1001), 422, "items[0].quantity"),
    "quantity -1": (item(quantity=-1), 422, "items[0].quantity"),
    "quantity 1.5": (item(quantity=1.5), 422, "items[0].quantity"),
    "quantity as text": (item(quantity="1"), 422, "items[0].quantity"),
    "quantity true": (item(quantity=True), 422, "items[0].quantity"),
    "quantity huge": (item(quantity=10**30), 422, "items[0].quantity"),
    "an unknown sku": (item(sku="BRICK"), 422, "items[0].sku"),
    "an empty sku": (item(sku=""), 422, "items[0].sku"),
    "a sku with NUL": (item(sku="PIZZA\x00"), 422, "items[0].sku"),
    "a sku with a newline": (item(sku="PIZZA\n"), 422, "items[0].sku"),
    "half a surrogate": ('{"items":[{"sku":"\\ud800","quantity":1}]}', 400, None),
    "a sku twice": ({"items": [{"sku": "PIZZA", "quantity": 1}] * 2}, 422, "body"),
    "a token with spaces": ({**item(), "payment_token": "tok ok"}, 422, "payment_token"),
    "a token too long": ({**item(), "payment_token": "t" * 65}, 422, "payment_token"),
    "a token null": ({**item(), "payment_token": None}, 422, "payment_token"),
    "too large": ("[" + " " * 70_000 + "]", 413, None),
}


@pytest.mark.parametrize(("body", "status", "field"), BAD_ORDERS.values(), ids=BAD_ORDERS.keys())
def test_a_bad_order_is_a_problem_and_changes_nothing(orders, rows, body, status, field):
    before = rows()
    data = body if isinstance(body, str | bytes) else json.dumps(body)

    answer = orders.post("/orders", data=data, content_type="application/json")

    problem(answer, status, field)
    assert rows() == before == (0, 0)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "field"),
    [
        ("POST", "/orders", {"data": "{}", "content_type": "text/plain"}, 415, None),
        ("POST", "/orders", {}, 415, None),
        ("POST", "/order", {"json": {}}, 422, "product"),
        ("POST", "/order", {"json": {"product": "Brick"}}, 422, "product"),
        ("POST", "/order", {"json": {"product": "Phone", "price": 1}}, 422, "price"),
        ("GET", "/orders/01a1f000-0000-7000-8000-000000000000", {}, 404, None),
        ("GET", "/orders/none", {}, 404, None),
        ("GET", "/orders/%00", {}, 404, None),
        ("GET", "/orders?status=LOST", {}, 422, "status"),
        ("GET", "/orders?limit=0", {}, 422, "limit"),
        ("GET", "/orders?limit=201", {}, 422, "limit"),
        ("GET", "/orders?limit=1&limit=2", {}, 422, "limit"),
        ("GET", "/orders?cursor=!", {}, 422, "cursor"),
        ("GET", "/orders?cursor=AAAA", {}, 422, "cursor"),
        ("GET", "/orders?cursor=%C3%A4", {}, 422, "cursor"),
        ("GET", "/orders?colour=red", {}, 422, "colour"),
        ("DELETE", "/orders", {}, 405, None),
        ("GET", "/nowhere", {}, 404, None),
    ],
)
def test_a_bad_request_is_a_problem(orders, method, path, options, status, field):
    problem(orders.open(path, method=method, **options), status, field)


def problem(answer, status, field):
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    body = answer.get_json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    if field:
        assert field in [error["field"] for error in body["errors"]]
        assert all(error["detail"] for error in body["errors"])


def test_lists_go_on_where_they_stopped_newest_first(orders):
    placed = [orders.post("/orders", json=item()).get_json()["order_id"] for _ in range(5)]

    seen, path = [], "/orders?limit=2&status=PENDING"
    while path:
        page = orders.get(path).get_json()
        seen += [order["order_id"] for order in page["orders"]]
        path = f"/orders?limit=2&status=PENDING&cursor={page['next_cursor']}" if page["next_cursor"] else None

    assert seen == placed[::-1]


def test_only_the_operator_restocks(stock):
    wanted = {"json": {"quantity": 5}}

    problem(stock.post("/stock/SOLD-OUT/restock", **wanted), 401, None)
    wrong = stock.post("/stock/SOLD-OUT/restock", headers={"Authorization": "Bearer wrong"}, **wanted)
    problem(wrong, 401, None)
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    assert stock.get("/stock/SOLD-OUT").get_json()["on_hand"] == 0

    operator = {"Authorization": f"Bearer {TOKEN}"}
    answer = stock.post("/stock/SOLD-OUT/restock", headers=operator, **wanted)
    assert answer.get_json() == {"sku": "SOLD-OUT", "on_hand": 5, "reserved": 0, "sold": 0}
    problem(stock.post("/stock/BRICK/restock", headers=operator, **wanted), 404, None)
    problem(stock.post("/stock/PIZZA/restock", headers=operator, json={"quantity": 0}), 422, "quantity")
    problem(stock.get("/stock/%00"), 404, None)


def test_the_seeded_stock_is_listed(stock):
    first = stock.get("/stock?limit=3").get_json()
    rest = stock.get(f"/stock?cursor={first['next_cursor']}").get_json()

    assert {s["sku"]: s["on_hand"] for s in first["stock"] + rest["stock"]} == {
        "LAPTOP": 1_000,
        "PHONE": 1_000_000,
        "PIZZA": 1_000_000,
        "SOLD-OUT": 0,
    }
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["!", "AAAA", "%C3%A4", "AA=A", "LS0t"])
def test_a_cursor_of_another_make_is_refused(stock, cursor):
    problem(stock.get(f"/stock?cursor={cursor}"), 422, "cursor")


def test_payments_are_found_by_order(client_of):
    payments = client_of(payment_app, "payment")

    assert payments.get(f"/payments?order_id={uuid4()}").get_json() == {"payments": [], "next_cursor": None}
    problem(payments.get("/payments?order_id=none"), 422, "order_id")
    problem(payments.get(f"/payments/{uuid4()}"), 404, None)


def test_health_says_what_is_wrong_and_takes_orders_without_kafka(client_of):
    client = client_of(order_app, "order", servers=("127.0.0.1:1",))

    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json()["status"] == "warn"
    assert client.post("/orders", json=item()).status_code == 201


def test_without_its_database_a_service_is_live_but_not_ready_and_says_503(client_of):
    client = client_of(order_app, "order", port=1)

    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503
    answer = client.post("/orders", json=item())
    problem(answer, 503, None)
    assert answer.headers["Retry-After"]


def test_a_body_without_a_length_is_not_cut_and_taken(orders, rows):
    """As chunked requests come: the server tells no length, only where the input ends."""
    body = json.dumps(item()) + " " * 70_000 + "garbage"

    answer = orders.post(
        "/orders",
        input_stream=io.BytesIO(body.encode()),
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )

    problem(answer, 413, None)
    assert rows() == (0, 0)
