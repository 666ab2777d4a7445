"""What the OpenAPI documents say is what the services do: each operation is tried, well and badly."""

import re
import tomllib
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy import make_url, text

from contracts.services import SERVICES
from inventory.app import create_app as inventory_app
from inventory.shapes import Stock, Stocks
from order.app import create_app as order_app
from order.shapes import Order, Orders
from payment.app import create_app as payment_app
from payment.shapes import Payment, Payments
from web.app import WebSettings
from web.operations import promise_of
from web.shapes import ProblemDetails

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())

TOKEN = "the-operators-token"
FACTORIES = {"order": order_app, "payment": payment_app, "inventory": inventory_app}
# Enough for every constraint of every field to be broken once (that part is not drawn at random).
TRIED = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


# Documents are made of the code alone, so they can be read before any database is there.
NOWHERE = make_url("postgresql+psycopg://nobody@127.0.0.1:1/none")


def document_of(service):
    app = FACTORIES[service](WebSettings(NOWHERE, (), TOKEN))
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


DOCUMENTS = {service.name: document_of(service.name) for service in SERVICES}


@pytest.fixture
def app_of(databases):
    """A function from a service's name to its application, on a database of its own."""
    opened = []

    def create(service):
        opened.append(FACTORIES[service](WebSettings(databases.url(service), (), TOKEN)))
        return opened[-1]

    yield create
    for app in opened:
        app.extensions["engine"].dispose()


@pytest.fixture
def order_app_there(app_of):
    return app_of("order")


@pytest.fixture
def payment_app_there(app_of):
    return app_of("payment")


@pytest.fixture
def inventory_app_there(app_of):
    return app_of("inventory")


def try_on(app, case):
    case.call_and_validate(
        app=app,
        headers={"Authorization": f"Bearer {TOKEN}"},
        # A schema cannot say what is in the catalogue, which cursors were given, or which keys were used.
        excluded_checks=[schemathesis.checks.CHECKS.get_one("positive_data_acceptance")],
    )


@DOCUMENTS["order"].parametrize()
@TRIED
def test_the_order_service_does_what_it_documents(case, order_app_there):
    try_on(order_app_there, case)


@DOCUMENTS["payment"].parametrize()
@TRIED
def test_the_payment_service_does_what_it_documents(case, payment_app_there):
    try_on(payment_app_there, case)


@DOCUMENTS["inventory"].parametrize()
@TRIED
def test_the_inventory_service_does_what_it_documents(case, inventory_app_there):
    try_on(inventory_app_there, case)


@pytest.mark.parametrize("service", FACTORIES)
def test_a_document_is_valid_and_tells_the_version_of_the_project(service):
    document = DOCUMENTS[service].raw_schema

    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["info"]["version"] == PROJECT["project"]["version"]


@pytest.mark.parametrize("service", FACTORIES)
def test_every_route_is_documented_but_those_of_the_documentation(service):
    app = FACTORIES[service](WebSettings(NOWHERE, (), TOKEN))

    silent = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not promise_of(app.view_functions[rule.endpoint])
    }

    assert silent == {"documentation.openapi", "documentation.page", "documentation.asset"}


def test_what_is_found_has_the_shape_that_is_documented(app_of, engine_of):
    order, payment, inventory = (app_of(name).test_client() for name in FACTORIES)
    place = order.post("/orders", json={"items": [{"sku": "PIZZA", "quantity": 2}]}).headers["Location"]
    order_id = place.rpartition("/")[2]
    with engine_of("payment").begin() as connection:
        connection.execute(
            text(
                "INSERT INTO payments (order_id, status, amount, currency)"
                " VALUES (:id, 'REQUESTED', 5, 'EUR')"
            ),
            {"id": order_id},
        )

    Order.model_validate_json(order.get(place).data)
    Orders.model_validate_json(order.get("/orders").data)
    payments = Payments.model_validate_json(payment.get(f"/payments?order_id={order_id}").data)
    Payment.model_validate_json(payment.get(f"/payments/{payments.payments[0].payment_id}").data)
    Stocks.model_validate_json(inventory.get("/stock?limit=1").data)
    Stock.model_validate_json(inventory.get("/stock/PIZZA").data)
    ProblemDetails.model_validate_json(order.get("/orders?limit=0").data)


def test_the_documentation_page_takes_nothing_from_elsewhere(app_of):
    client = app_of("order").test_client()

    page = client.get("/docs")

    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"unsafe|https?:|\*", policy)
    text_of_page = page.get_data(as_text=True)
    assets = re.findall(r'(?:src|href)="([^"]+)"', text_of_page)
    assert assets == ["data:,", "/docs/swagger_style.css", "/docs/swagger_bundle.js", "/docs/start.js"]
    for path in assets[1:]:
        with client.get(path) as asset:
            assert asset.status_code == 200
    assert "style=" not in text_of_page
    assert not re.search(r"<script>|<style", text_of_page)
