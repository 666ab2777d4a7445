"""The order service's HTTP: parse, call a use case in one transaction, answer."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import structlog
from flask import Blueprint, Response, jsonify, url_for
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import Connection, Engine, Row

from contracts.messages import Item
from order import handlers, queries
from order.handlers import Basket, CannotOrder
from order.shapes import Order, Orders, PlacedProduct
from order.status import FINAL, Status
from saga.orchestrator import Orchestrator
from web.answers import Answer
from web.idempotency import Asked, Outcome
from web.intake import INTAKE, Intake
from web.operations import LOCATION, Operation, promises
from web.pages import PageQuery, page
from web.preferences import WAITS, Body, Waiters
from web.problems import not_found, unprocessable
from web.times import as_text
from web.validation import Quantity, RequestModel, Sku, read_id, read_query

log = structlog.get_logger(__name__)

PaymentToken = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
DEFAULT_TOKEN = "tok_ok"  # noqa: S105 - the simulated gateway's word for a good card


class ItemRequest(RequestModel):
    sku: Sku
    quantity: Quantity


class OrderRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [{"sku": "PIZZA", "quantity": 2}]}]})

    items: Annotated[list[ItemRequest], Field(min_length=1, max_length=50)]
    payment_token: PaymentToken = DEFAULT_TOKEN

    @model_validator(mode="after")
    def _each_sku_once(self) -> "OrderRequest":
        if len({item.sku for item in self.items}) < len(self.items):
            raise ValueError("each sku may stand in one item only")
        return self


class ProductRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"product": "Phone"}]})

    product: Sku


class OrdersQuery(PageQuery):
    status: Status | None = None


PLACE = Operation(
    "Place an order",
    {201: Order},
    "The order is kept when this is answered; what becomes of it is seen at its Location.",
    body=OrderRequest,
    headers=(LOCATION,),
    traits=(*INTAKE, WAITS),
)
PLACE_PRODUCT = Operation(
    "Order one of a product by its name",
    {201: PlacedProduct},
    body=ProductRequest,
    headers=(LOCATION,),
    traits=INTAKE,
)
GET = Operation(
    "Show an order",
    {200: Order},
    path={"order_id": UUID},
    problems={404: "There is no such order."},
    traits=(WAITS,),
)
LIST = Operation("List orders, newest first", {200: Orders}, query=OrdersQuery)


def order_routes(engine: Engine, sagas: Orchestrator, intake: Intake) -> Blueprint:
    """The routes, each its own transaction on `engine`."""
    routes = Blueprint("orders", __name__)
    waiters = Waiters()
    taking = intake.route(OrderRequest, partial(accept, sagas))
    taking_products = intake.route(ProductRequest, partial(accept_products, sagas))

    @routes.post("/orders")
    @promises(PLACE)
    def place() -> Response:
        answer = taking.take()
        _log(answer, "order_id")
        if not answer.replayed:
            again = partial(read_order, engine, UUID(answer.body["order_id"]))
            body, granted = waiters.settled(answer.body, again, is_final)
            answer = answer.saying(body=body, headers=granted)
        return answer.response()

    @routes.post("/order")
    @promises(PLACE_PRODUCT)
    def place_product() -> Response:
        answer = taking_products.take()
        _log(answer, "orderId")
        return answer.response()

    @routes.get("/orders/<order_id>")
    @promises(GET)
    def get(order_id: str) -> tuple[Response, dict[str, str]]:
        again = partial(read_order, engine, read_id(order_id, "order"))
        body, granted = waiters.settled(again(), again, is_final)
        return jsonify(body), granted

    @routes.get("/orders")
    @promises(LIST)
    def list_orders() -> Response:
        query = read_query(OrdersQuery)
        wanted = {"status": query.status, "after": query.after_id(), "limit": query.limit + 1}
        with engine.begin() as connection:
            rows = connection.execute(queries.LIST_ORDERS, wanted).all()
        return jsonify(page("orders", [view(row) for row in rows], limit=query.limit, key="order_id"))

    return routes


def accept(
    sagas: Orchestrator, connection: Connection, asked: Sequence[Asked[OrderRequest]]
) -> list[Outcome]:
    """The orders, in the caller's transaction, as they are answered."""
    baskets = [
        Basket(
            [Item(sku=item.sku, quantity=item.quantity) for item in each.wanted.items],
            each.wanted.payment_token,
            each.traceparent,
        )
        for each in asked
    ]
    return [
        unprocessable(f"items[{order.position}].sku", order.why)
        if isinstance(order, CannotOrder)
        else Answer(201, view(order), _location(order))
        for order in handlers.place_orders(connection, sagas, baskets)
    ]


def accept_products(
    sagas: Orchestrator, connection: Connection, asked: Sequence[Asked[ProductRequest]]
) -> list[Outcome]:
    """The same for one of a product each, called by its name."""
    baskets = [
        Basket([Item(sku=each.wanted.product.upper(), quantity=1)], DEFAULT_TOKEN, each.traceparent)
        for each in asked
    ]
    orders = handlers.place_orders(connection, sagas, baskets)
    return [
        unprocessable("product", order.why)
        if isinstance(order, CannotOrder)
        else Answer(201, _product_view(order, each.wanted.product), _location(order))
        for each, order in zip(asked, orders, strict=True)
    ]


def read_order(engine: Engine, order_id: UUID) -> Body:
    """An order as it is now, or 404."""
    with engine.begin() as connection:
        row = connection.execute(queries.GET_ORDER, {"id": order_id}).first()
    if row is None:
        raise not_found("order")
    return view(row)


def is_final(order: Body) -> bool:
    return order["status"] in FINAL


def view(order: Row[Any]) -> dict[str, Any]:
    """An order as the outside sees it."""
    return {
        "order_id": str(order.id),
        "status": order.status,
        "needs_attention": order.needs_attention,
        "items": order.items,
        "total": {"amount": order.total_amount, "currency": order.currency},
        "created_at": as_text(order.created_at),
        "updated_at": as_text(order.updated_at),
    }


def _product_view(order: Row[Any], product: str) -> dict[str, Any]:
    return {"orderId": str(order.id), "product": product, "status": order.status}


def _log(answer: Answer, id_field: str) -> None:
    """A line in the log, and only once the order is committed; a replay is no new order."""
    if not answer.replayed:
        log.info("order accepted", order_id=answer.body[id_field])


def _location(order: Row[Any]) -> dict[str, str]:
    return {"Location": url_for("orders.get", order_id=order.id)}
