"""`/livez` says the process runs; `/readyz` says it can take requests; `/metrics` is for Prometheus.

Kafka down is a warning, not a failure: the outbox is there so that orders can still be taken.
"""

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, jsonify
from sqlalchemy import Engine, literal, select
from sqlalchemy.exc import SQLAlchemyError

from runtime import metrics
from runtime.reaching import takes_connections
from web.operations import Operation, promises
from web.shapes import Exposition, Live, Ready

KNOCK_SECONDS = 0.3

Check = Callable[[], str | None]

_LIVE = Operation("Whether the process runs", {200: Live}, database=False)
_READY = Operation("Whether it can take requests", {200: Ready, 503: Ready}, database=False)
_METRICS = Operation("Figures for Prometheus", {200: Exposition}, database=False, media_type="text/plain")


def health_routes(engine: Engine, bootstrap_servers: Sequence[str]) -> Blueprint:
    """The routes of a service for those who watch it."""
    routes = Blueprint("health", __name__)

    @routes.get("/livez")
    @promises(_LIVE)
    def livez() -> Response:
        return jsonify(status="pass")

    @routes.get("/readyz")
    @promises(_READY)
    def readyz() -> tuple[Response, int]:
        database = _database_problem(engine)
        kafka = _kafka_problem(bootstrap_servers)
        status = "fail" if database else "warn" if kafka else "pass"
        checks = {"database": database or "pass", "kafka": kafka or "pass"}
        return jsonify(status=status, checks=checks), 503 if database else 200

    @routes.get("/metrics")
    @promises(_METRICS)
    def exposition() -> Response:
        return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)

    return routes


def _database_problem(engine: Engine) -> str | None:
    try:
        with engine.connect() as connection:
            connection.execute(select(literal(1)))
    except SQLAlchemyError as error:
        return f"the database does not answer ({type(error).__name__})"
    return None


def _kafka_problem(bootstrap_servers: Sequence[str]) -> str | None:
    """None when any broker takes a connection."""
    if takes_connections(bootstrap_servers, KNOCK_SECONDS):
        return None
    return "no broker takes connections; events wait in the outbox"
