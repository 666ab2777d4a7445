"""The delivery service's HTTP process: `gunicorn 'delivery.app:create_app()'`."""

from flask import Blueprint, Flask

from contracts.services import DELIVERY
from runtime.environment import Environment
from web.app import WebSettings, open_database, service_app


def create_app(settings: WebSettings | None = None) -> Flask:
    settings = settings or WebSettings.read(Environment())
    engine = open_database(DELIVERY.name, settings)
    return service_app(DELIVERY.name, settings, engine, Blueprint("deliveries", __name__))
