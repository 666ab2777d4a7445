"""A service's HTTP process: settings, and what every service's Flask application has."""

from dataclasses import dataclass

from flask import Blueprint, Flask
from sqlalchemy import URL, Engine

from runtime.database import connect_engine, database_url
from runtime.environment import Environment
from runtime.logs import configure
from web.health import health_routes
from web.operator import TOKEN_KEY
from web.problems import answer_with_problems
from web.validation import BODY_BYTES_MAX

THREADS = 16


@dataclass(frozen=True, slots=True)
class WebSettings:
    database: URL
    bootstrap_servers: tuple[str, ...]
    operator_token: str

    @classmethod
    def read(cls, environment: Environment) -> "WebSettings":
        settings = cls(
            database=database_url(environment),
            bootstrap_servers=environment.texts("KAFKA_BOOTSTRAP_SERVERS"),
            operator_token=environment.file("OPERATOR_TOKEN_FILE"),
        )
        environment.check()
        return settings


def open_database(service: str, settings: WebSettings) -> Engine:
    """The service's engine, a connection for each thread; also sets the process's logs up."""
    configure(service)
    return connect_engine(settings.database, process=service, connections=THREADS)


def service_app(service: str, settings: WebSettings, engine: Engine, routes: Blueprint) -> Flask:
    """A Flask application with problems, health, limits and the service's own routes."""
    app = Flask(service, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.config[TOKEN_KEY] = settings.operator_token
    app.extensions["engine"] = engine
    answer_with_problems(app)
    app.register_blueprint(health_routes(engine, settings.bootstrap_servers))
    app.register_blueprint(routes)
    return app
