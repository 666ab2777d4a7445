"""Topics and consumers: how far each is behind, in messages and seconds, and where that goes."""

from flask import Blueprint, Response

from dashboard import lag
from dashboard.pages import page
from dashboard.sources import Sources
from doctor.facts import Silence


def topic_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("topics", __name__)

    @routes.get("/topics")
    def show_all() -> Response:
        samples = sources.watch.look()
        readings = samples[-1].readings if samples else None
        silent = readings.lag.why if readings and isinstance(readings.lag, Silence) else None
        return page(
            "topics",
            consumers=lag.behind(samples),
            topics=lag.topics(samples),
            silent=silent,
            readings=readings,
        )

    return routes
