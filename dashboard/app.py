"""The dashboard's HTTP process: `gunicorn 'dashboard.app:create_app()'`."""

from flask import Flask

from dashboard import guard, pages
from dashboard.entry_pages import entry_routes
from dashboard.order_pages import order_routes
from dashboard.settings import Settings
from dashboard.sources import Sources
from runtime.environment import Environment
from runtime.logs import configure

FORM_BYTES_MAX = 64 * 1024
STATIC_SECONDS = 7 * 24 * 3600  # their addresses carry a digest


def create_app(settings: Settings | None = None) -> Flask:
    settings = settings or Settings.read(Environment())
    configure("dashboard")
    sources = Sources.open(settings)
    app = Flask("dashboard")
    app.config.update(
        MAX_CONTENT_LENGTH=FORM_BYTES_MAX, MAX_FORM_PARTS=2_000, SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS
    )
    app.extensions["sources"] = sources
    guard.protect(app)
    pages.dress(app)
    for routes in (entry_routes(guard.Guard(settings.operator_token)), order_routes(sources)):
        app.register_blueprint(routes)
    return app
