"""The payment service's HTTP process: `gunicorn 'payment.app:create_app()'`."""

from flask import Flask

from contracts.services import PAYMENT
from payment.api import payment_routes
from runtime.environment import Environment
from web.app import WebSettings, open_database, service_app


def create_app(settings: WebSettings | None = None) -> Flask:
    settings = settings or WebSettings.read(Environment())
    engine = open_database(PAYMENT.name, settings)
    return service_app(PAYMENT.name, settings, engine, payment_routes(engine))
