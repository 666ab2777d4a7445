"""The inventory service's HTTP: parse, call a use case in one transaction, answer."""

from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import Field
from sqlalchemy import Engine, Row

from inventory import handlers, queries
from inventory.models import Reservation
from inventory.shapes import Reservations, Stock, Stocks
from web.operations import Operation, promises
from web.operator import OPERATOR, operator_only
from web.pages import PageQuery, page
from web.problems import not_found
from web.times import as_text
from web.validation import RequestModel, Sku, read_body, read_query, read_sku


class RestockRequest(RequestModel):
    quantity: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class ReservationsQuery(PageQuery):
    """`older_than_seconds` counts from the last change of status."""

    status: Reservation | None = None
    older_than_seconds: Annotated[int, Field(ge=0, le=10**9)] | None = None


_NO_SKU = {404: "There is no such sku."}

LIST = Operation("List the stock, by sku", {200: Stocks}, query=PageQuery)
GET = Operation("Show a sku's stock", {200: Stock}, path={"sku": Sku}, problems=_NO_SKU)
RESTOCK = Operation(
    "Add to a sku's stock",
    {200: Stock},
    body=RestockRequest,
    path={"sku": Sku},
    problems=_NO_SKU,
    traits=(OPERATOR,),
)
LIST_RESERVATIONS = Operation(
    "List reservations, newest first",
    {200: Reservations},
    "What is RESERVED for longer than any order takes is forgotten: nothing releases it by itself.",
    query=ReservationsQuery,
)


def inventory_routes(engine: Engine) -> Blueprint:
    """The routes, each its own transaction on `engine`."""
    routes = Blueprint("inventory", __name__)

    @routes.get("/stock")
    @promises(LIST)
    def list_stock() -> Response:
        query = read_query(PageQuery)
        wanted = {"after": query.after_sku(), "limit": query.limit + 1}
        with engine.begin() as connection:
            rows = connection.execute(queries.LIST_STOCK, wanted).all()
        return jsonify(page("stock", [view(row) for row in rows], limit=query.limit, key="sku"))

    @routes.get("/stock/<sku>")
    @promises(GET)
    def get(sku: str) -> Response:
        with engine.begin() as connection:
            row = connection.execute(queries.GET_STOCK, {"sku": read_sku(sku)}).first()
        return _found(row)

    @routes.post("/stock/<sku>/restock")
    @promises(RESTOCK)
    @operator_only
    def restock(sku: str) -> Response:
        wanted = read_body(RestockRequest)
        with engine.begin() as connection:
            row = handlers.restock(connection, read_sku(sku), wanted.quantity)
        return _found(row)

    @routes.get("/reservations")
    @promises(LIST_RESERVATIONS)
    def list_reservations() -> Response:
        query = read_query(ReservationsQuery)
        wanted = {
            "status": query.status,
            "older_than_seconds": query.older_than_seconds,
            "after": query.after_id(),
            "limit": query.limit + 1,
        }
        with engine.begin() as connection:
            rows = connection.execute(queries.LIST_RESERVATIONS, wanted).all()
        shown = [view_reservation(row) for row in rows]
        return jsonify(page("reservations", shown, limit=query.limit, key="order_id"))

    return routes


def view(stock: Row[Any]) -> dict[str, Any]:
    """A sku's stock as the outside sees it."""
    return {"sku": stock.sku, "on_hand": stock.on_hand, "reserved": stock.reserved, "sold": stock.sold}


def view_reservation(reservation: Row[Any]) -> dict[str, Any]:
    """An order's stock as the outside sees it."""
    return {
        "order_id": str(reservation.order_id),
        "status": reservation.status,
        "items": reservation.items,
        "reason": reservation.reason,
        "created_at": as_text(reservation.created_at),
        "updated_at": as_text(reservation.updated_at),
    }


def _found(row: Row[Any] | None) -> Response:
    if row is None:
        raise not_found("sku")
    return jsonify(view(row))
