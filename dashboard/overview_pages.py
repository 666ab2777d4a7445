"""The first page: how it is in one sentence, what somebody must see to, and each pipeline hop by hop."""

from flask import Blueprint, Response

from dashboard import alarms, pipeline
from dashboard.pages import page
from dashboard.sources import Sources


def overview_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("overview", __name__)

    @routes.get("/")
    def show() -> Response:
        samples = sources.watch.look()
        newest = samples[-1] if samples else None
        readings = newest.readings if newest else None
        found = alarms.alarms(newest.readings, newest.answers) if newest else []
        return page(
            "overview",
            readings=readings,
            alarms=found,
            verdict=alarms.verdict(readings, found) if readings else None,
            strips=pipeline.strips(samples),
            hops=pipeline.HOPS,
        )

    return routes
