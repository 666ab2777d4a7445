"""The order service's HTTP: parse, call a use case in one transaction, answer."""

from typing import Annotated, Any

import structlog
from flask import Blueprint, Response, jsonify, url_for
from pydantic import Field, StringConstraints, model_validator
from sqlalchemy import Engine, Row

from contracts.messages import Item
from order import handlers, queries
from order.status import Status
from saga.orchestrator import Orchestrator
from web.pages import PageQuery, page
from web.problems import not_found, unprocessable
from web.times import as_text
from web.validation import Quantity, RequestModel, Sku, read_body, read_id, read_query

log = structlog.get_logger(__name__)

PaymentToken = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
DEFAULT_TOKEN = "tok_ok"  # noqa: S105 - the simulated gateway's word for a good card


class ItemRequest(RequestModel):
    sku: Sku
    quantity: Quantity


class OrderRequest(RequestModel):
    items: Annotated[list[ItemRequest], Field(min_length=1, max_length=50)]
    payment_token: PaymentToken = DEFAULT_TOKEN

    @model_validator(mode="after")
    def _each_sku_once(self) -> "OrderRequest":
        if len({item.sku for item in self.items}) < len(self.items):
            raise ValueError("each sku may stand in one item only")
        return self


class ProductRequest(RequestModel):
    product: Sku


class OrdersQuery(PageQuery):
    status: Status | None = None


def order_routes(engine: Engine, sagas: Orchestrator) -> Blueprint:
    """The routes, each its own transaction on `engine`."""
    routes = Blueprint("orders", __name__)

    @routes.post("/orders")
    def place() -> tuple[Response, int, dict[str, str]]:
        wanted = read_body(OrderRequest)
        items = [Item(sku=item.sku, quantity=item.quantity) for item in wanted.items]
        try:
            order = place_order(engine, sagas, items, wanted.payment_token)
        except handlers.CannotOrder as error:
            raise unprocessable(f"items[{error.position}].sku", str(error)) from None
        return jsonify(view(order)), 201, _location(order)

    @routes.post("/order")
    def place_product() -> tuple[Response, int, dict[str, str]]:
        wanted = read_body(ProductRequest)
        try:
            items = [Item(sku=wanted.product.upper(), quantity=1)]
            order = place_order(engine, sagas, items, DEFAULT_TOKEN)
        except handlers.CannotOrder as error:
            raise unprocessable("product", str(error)) from None
        body = {"orderId": str(order.id), "product": wanted.product, "status": order.status}
        return jsonify(body), 201, _location(order)

    @routes.get("/orders/<order_id>")
    def get(order_id: str) -> Response:
        with engine.begin() as connection:
            row = connection.execute(queries.GET_ORDER, {"id": read_id(order_id, "order")}).first()
        if row is None:
            raise not_found("order")
        return jsonify(view(row))

    @routes.get("/orders")
    def list_orders() -> Response:
        query = read_query(OrdersQuery)
        wanted = {"status": query.status, "after": query.after_id(), "limit": query.limit + 1}
        with engine.begin() as connection:
            rows = connection.execute(queries.LIST_ORDERS, wanted).all()
        return jsonify(page("orders", [view(row) for row in rows], limit=query.limit, key="order_id"))

    return routes


def place_order(engine: Engine, sagas: Orchestrator, items: list[Item], payment_token: str) -> Row[Any]:
    """Accept an order: one transaction, and only then a line in the log."""
    with engine.begin() as connection:
        order = handlers.place_order(connection, sagas, items, payment_token)
    log.info("order accepted", order_id=str(order.id), total=order.total_amount, currency=order.currency)
    return order


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


def _location(order: Row[Any]) -> dict[str, str]:
    return {"Location": url_for("orders.get", order_id=order.id)}
