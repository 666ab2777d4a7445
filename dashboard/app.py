"""The dashboard's HTTP process: `gunicorn 'dashboard.app:create_app()'`."""

from flask import Flask

from dashboard import guard, pages
from dashboard.audit_pages import action_routes, audit_routes
from dashboard.connector_pages import connector_routes
from dashboard.entry_pages import entry_routes
from dashboard.event_pages import event_routes
from dashboard.letter_pages import letter_routes
from dashboard.order_pages import order_routes
from dashboard.overview_pages import overview_routes
from dashboard.saga_pages import saga_routes
from dashboard.settings import Settings
from dashboard.sources import Sources
from dashboard.topic_pages import topic_routes
from runtime import spans
from runtime.environment import Environment
from runtime.logs import configure
from web.metrics import measure_requests

_ROUTES = (
    overview_routes,
    saga_routes,
    order_routes,
    event_routes,
    connector_routes,
    topic_routes,
    letter_routes,
    audit_routes,
    action_routes,
)
FORM_BYTES_MAX = 64 * 1024
STATIC_SECONDS = 7 * 24 * 3600  # their addresses carry a digest


def create_app(settings: Settings | None = None, *, watches: bool = True) -> Flask:
    """`watches`: readings are taken in the background from now on."""
    settings = settings or Settings.read(Environment())
    configure("dashboard")
    spans.switch_on("dashboard")  # it redrives
    sources = Sources.open(settings)
    app = Flask("dashboard")
    app.config.update(
        MAX_CONTENT_LENGTH=FORM_BYTES_MAX, MAX_FORM_PARTS=2_000, SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS
    )
    app.extensions["sources"] = sources
    measure_requests(app)
    guard.protect(app)
    pages.dress(app)
    app.register_blueprint(entry_routes(guard.Guard(settings.operator_token)))
    for routes in _ROUTES:
        app.register_blueprint(routes(sources))
    if watches:
        sources.watch.start()
    return app
