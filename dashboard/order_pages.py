"""One order's page: why it is where it is, its way on one axis of time, and all that is known of it."""

from uuid import UUID

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from contracts.services import ORDER
from dashboard import order_chart, order_facts, order_words
from dashboard.pages import page
from dashboard.sources import Sources


def order_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("orders", __name__)

    @routes.get("/orders/<uuid:order_id>")
    def show(order_id: UUID) -> Response:
        way = order_facts.read(sources.parts, sources.statuses, order_id)
        if (
            way.order is None
            and not way.events
            and not way.letters
            and f"the {ORDER.name} database" not in way.away
        ):
            raise NotFound(f"There is no order {order_id}.")
        return page(
            "order",
            way=way,
            story=order_words.tell(way),
            chart=order_chart.draw(way),
            settled=order_words.is_settled(way),
        )

    return routes
