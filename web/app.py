"""A service's HTTP process: settings, and what every service's Flask application has."""

from dataclasses import dataclass

from flask import Blueprint, Flask
from sqlalchemy import URL, Engine

from runtime import spans
from runtime.database import connect_engine, database_url
from runtime.environment import Environment
from runtime.logs import configure
from web.documentation import documentation_routes
from web.health import health_routes
from web.load import PLACING_MAX
from web.metrics import measure_requests
from web.operator import TOKEN_KEY
from web.preferences import WAITERS_MAX
from web.problems import answer_with_problems
from web.rate_limit import FORM, RateLimit, parse_rate_limit, tell_limits
from web.tracing import follow_traces
from web.validation import BODY_BYTES_MAX

CONNECTIONS = 16
# Those that place orders share a connection as a rule, and those that wait for an order hold none; four more
# are for reads, health and cancelling.
THREADS = PLACING_MAX + WAITERS_MAX + 4


@dataclass(frozen=True, slots=True)
class WebSettings:
    database: URL
    bootstrap_servers: tuple[str, ...]
    operator_token: str
    rate_limit: RateLimit | None = None

    @classmethod
    def read(cls, environment: Environment) -> "WebSettings":
        settings = cls(
            database=database_url(environment),
            bootstrap_servers=environment.servers("KAFKA_BOOTSTRAP_SERVERS"),
            operator_token=environment.file("OPERATOR_TOKEN_FILE"),
            rate_limit=environment.parsed("RATE_LIMIT", parse_rate_limit, "off", FORM),
        )
        environment.check()
        return settings


def open_database(service: str, settings: WebSettings) -> Engine:
    """The service's engine; also sets the process's logs and spans up."""
    configure(service)
    spans.switch_on(service)
    return connect_engine(settings.database, process=service, connections=CONNECTIONS)


def service_app(service: str, settings: WebSettings, engine: Engine, routes: Blueprint) -> Flask:
    """A Flask application with problems, health, limits and the service's own routes."""
    app = Flask(service, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.config[TOKEN_KEY] = settings.operator_token
    app.extensions["engine"] = engine
    follow_traces(app)
    answer_with_problems(app)
    app.after_request(tell_limits)
    measure_requests(app)
    app.register_blueprint(health_routes(engine, settings.bootstrap_servers))
    app.register_blueprint(documentation_routes())
    app.register_blueprint(routes)
    return app
