"""The order service's HTTP process: `gunicorn 'order.app:create_app()'`."""

from flask import Flask

from contracts.services import ORDER
from order.api import order_routes
from runtime.environment import Environment
from web.app import WebSettings, open_database, service_app
from web.intake import Intake


def create_app(settings: WebSettings | None = None) -> Flask:
    settings = settings or WebSettings.read(Environment())
    engine = open_database(ORDER.name, settings)
    intake = Intake(engine, settings.rate_limit)
    return service_app(ORDER.name, settings, engine, order_routes(engine, intake))
