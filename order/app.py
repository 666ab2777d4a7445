"""The order service's HTTP process: `gunicorn 'order.app:create_app()'`."""

import structlog
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from contracts.services import ORDER
from order.api import order_routes
from order.handlers import orchestrator
from order.saga import Patience
from order.saga_api import saga_routes
from order.settings import read_patience
from runtime import redaction
from runtime.environment import Environment
from saga import versions
from saga.orchestrator import Orchestrator
from saga.versions import VersionGone
from web.app import WebSettings, open_database, service_app
from web.intake import Intake

log = structlog.get_logger(__name__)


def create_app(settings: WebSettings | None = None, patience: Patience | None = None) -> Flask:
    environment = Environment()
    patience = patience or read_patience(environment)
    settings = settings or WebSettings.read(environment)
    engine = open_database(ORDER.name, settings)
    sagas = orchestrator(patience)
    _check_versions(engine, sagas)
    intake = Intake(engine, settings.rate_limit)
    app = service_app(ORDER.name, settings, engine, order_routes(engine, sagas, intake))
    app.register_blueprint(saga_routes(engine, sagas))
    return app


def _check_versions(engine: Engine, sagas: Orchestrator) -> None:
    """Raises VersionGone. Without its database the process starts all the same, and is not ready."""
    try:
        with engine.connect() as connection:
            versions.check(connection, sagas.kind)
    except VersionGone:
        engine.dispose()
        raise
    except DBAPIError as error:
        log.warning("the versions of running sagas are not known", reason=redaction.explain(error))
