"""Where is my event: one id, followed from the outbox to whoever must see it."""

from uuid import UUID

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from contracts.services import ORDER
from dashboard import event_facts, event_words, queries
from dashboard.entry_pages import wanted_id
from dashboard.pages import page
from dashboard.parts import rows
from dashboard.sources import Sources


def event_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("events", __name__)

    @routes.get("/events/<uuid:event_id>")
    def show(event_id: UUID) -> Response:
        found = event_facts.read(sources.parts, sources.statuses, event_id)
        known = found.event or found.places or found.way.letters
        if not known and not found.way.away:
            raise NotFound(f"No outbox, topic or inbox knows an event {event_id}.")
        told, settled = event_words.tell(found), event_words.is_settled(found)
        return page("event", settled=settled, found=found, told=told, event_id=event_id)

    @routes.get("/find")
    def find() -> AnyResponse:
        """An order's page, or an event's, by the id that somebody has."""
        wanted = wanted_id(request.args.get("id", ""), "id of an order or event")
        question = sources.parts.database(ORDER.name, rows, queries.GET_ORDER, {"id": wanted})
        asked = sources.parts.ask({ORDER.name: question})
        if asked.get(ORDER.name) == []:
            return redirect(url_for("events.show", event_id=wanted))
        return redirect(url_for("orders.show", order_id=wanted))

    return routes
