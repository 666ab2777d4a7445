"""The payment service's HTTP: what became of the money. Read only."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify
from sqlalchemy import Engine, Row

from payment import queries
from payment.shapes import Payment, Payments
from web.operations import Operation, promises
from web.pages import PageQuery, page
from web.problems import not_found
from web.validation import read_id, read_query


class PaymentsQuery(PageQuery):
    order_id: UUID | None = None


LIST = Operation("List payments, newest first", {200: Payments}, query=PaymentsQuery)
GET = Operation(
    "Show a payment", {200: Payment}, path={"payment_id": UUID}, problems={404: "There is no such payment."}
)


def payment_routes(engine: Engine) -> Blueprint:
    """The routes, each its own transaction on `engine`."""
    routes = Blueprint("payments", __name__)

    @routes.get("/payments")
    @promises(LIST)
    def list_payments() -> Response:
        query = read_query(PaymentsQuery)
        wanted = {"order_id": query.order_id, "after": query.after_id(), "limit": query.limit + 1}
        with engine.begin() as connection:
            rows = connection.execute(queries.LIST_PAYMENTS, wanted).all()
        return jsonify(page("payments", [view(row) for row in rows], limit=query.limit, key="payment_id"))

    @routes.get("/payments/<payment_id>")
    @promises(GET)
    def get(payment_id: str) -> Response:
        with engine.begin() as connection:
            row = connection.execute(queries.GET_PAYMENT, {"id": read_id(payment_id, "payment")}).first()
        if row is None:
            raise not_found("payment")
        return jsonify(view(row))

    return routes


def view(payment: Row[Any]) -> dict[str, Any]:
    """A payment as the outside sees it; amounts in minor units."""
    return {
        "payment_id": str(payment.id),
        "order_id": str(payment.order_id),
        "status": payment.status,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "currency": payment.currency,
    }
