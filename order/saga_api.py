"""People's way into an order's saga, over HTTP: cancellation, the timeline, what an operator may do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response, jsonify
from pydantic import Field, StringConstraints
from sqlalchemy import Engine, Row

from order import queries
from order.api import view as order_view
from order.saga_shapes import Sagas, Timeline
from order.shapes import Order
from order.status import FINAL
from order.timeline import public_timeline, timeline, view
from saga import people, sql
from saga.orchestrator import Orchestrator
from saga.people import By, NotPossible, UnknownSaga
from saga.state import SagaStatus
from web.operations import Operation, promises
from web.operator import OPERATOR, operator_only
from web.pages import PageQuery, page
from web.problems import Problem, not_found
from web.tracing import current
from web.validation import RequestModel, read_body, read_id, read_query

CUSTOMER = "customer"
_KEPT = r"^[^\x00]*$"  # Postgres keeps any character of a text but this

Act = Callable[..., Any]


class Note(RequestModel):
    """Why, and who: both are kept."""

    note: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=_KEPT)
    ]
    by: Annotated[str, StringConstraints(pattern=r"^[\w.@-]{1,64}$")] = "operator"


class Settlement(Note):
    """`unanswered`: the participant has not answered, and it is seen to that it does not do it any more."""

    unanswered: bool = False


class SagasQuery(PageQuery):
    state: SagaStatus | None = None
    step: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z -]{0,63}$")] | None = None
    older_than_seconds: Annotated[int, Field(ge=0, le=10**9)] | None = None


ACTS: dict[str, tuple[Act, type[Note]]] = {
    "retry": (people.retry, Note),
    "compensate": (people.compensate, Note),
    "resolve": (people.resolve, Settlement),
}
CANCEL = Operation(
    "Cancel an order",
    {200: Order, 202: Order},
    "202: it is being undone, and ends CANCELLED. 200: it has ended so already.",
    path={"order_id": UUID},
    problems={404: "There is no such order.", 409: "It is too late, or the order is ending otherwise."},
)
TIMELINE = Operation(
    "Show an order's whole way",
    {200: Timeline},
    path={"order_id": UUID},
    problems={404: "There is no such order."},
)
LIST = Operation("List sagas, oldest first", {200: Sagas}, query=SagasQuery, traits=(OPERATOR,))
SHOW = Operation(
    "Show a saga",
    {200: Timeline},
    path={"saga_id": UUID},
    problems={404: "There is no such saga."},
    traits=(OPERATOR,),
)


def saga_routes(engine: Engine, sagas: Orchestrator) -> Blueprint:
    """The routes, each its own transaction on `engine`."""
    routes = Blueprint("sagas", __name__)

    @routes.post("/orders/<order_id>/cancel")
    @promises(CANCEL)
    def cancel(order_id: str) -> tuple[Response, int]:
        wanted = read_id(order_id, "order")
        with _answering("order"), engine.begin() as connection:
            people.cancel(sagas, connection, wanted, By(CUSTOMER, traceparent=current()))
            order = connection.execute(queries.GET_ORDER, {"id": wanted}).one()
        return jsonify(order_view(order)), 200 if order.status in FINAL else 202

    @routes.get("/orders/<order_id>/timeline")
    @promises(TIMELINE)
    def show_timeline(order_id: str) -> Response:
        return jsonify(public_timeline(*_find(engine, read_id(order_id, "order"), "order")))

    @routes.get("/sagas")
    @promises(LIST)
    @operator_only
    def list_sagas() -> Response:
        query = read_query(SagasQuery)
        wanted = {
            "status": query.state,
            "step": query.step,
            "older_than_seconds": query.older_than_seconds,
            "after": query.after_id(),
            "limit": query.limit + 1,
        }
        with engine.begin() as connection:
            rows = connection.execute(sql.LIST_SAGAS, wanted).all()
        return jsonify(page("sagas", [view(row) for row in rows], limit=query.limit, key="order_id"))

    @routes.get("/sagas/<saga_id>")
    @promises(SHOW)
    @operator_only
    def show(saga_id: str) -> Response:
        return jsonify(timeline(*_find(engine, read_id(saga_id, "saga"), "saga")))

    def act(name: str) -> Callable[[str], Response]:
        @promises(_act(name))
        @operator_only
        def carry_out(saga_id: str) -> Response:
            do, body = ACTS[name]
            wanted, how = read_id(saga_id, "saga"), read_body(body).model_dump()
            with _answering("saga"), engine.begin() as connection:
                by = By(how.pop("by"), how.pop("note"), current())
                do(sagas, connection, wanted, by, **how)
            return jsonify(timeline(*_find(engine, wanted, "saga")))

        return carry_out

    for name in ACTS:
        routes.add_url_rule(f"/sagas/<saga_id>/{name}", name, act(name), methods=["POST"])
    return routes


def _act(name: str) -> Operation:
    return Operation(
        f"{name.capitalize()} a saga, with a note that is kept",
        {200: Timeline},
        body=ACTS[name][1],
        path={"saga_id": UUID},
        problems={404: "There is no such saga.", 409: "It is where this cannot be done."},
        traits=(OPERATOR,),
    )


@contextmanager
def _answering(what: str) -> Iterator[None]:
    """What people cannot do, as a problem."""
    try:
        yield
    except UnknownSaga:
        raise not_found(what) from None
    except NotPossible as error:
        raise Problem(409, f"{error}.") from None


def _find(engine: Engine, saga_id: UUID, what: str) -> tuple[Row[Any], list[Row[Any]]]:
    with _answering(what), engine.begin() as connection:
        return people.find(connection, saga_id)
