"""The inventory service's HTTP process: `gunicorn 'inventory.app:create_app()'`."""

from flask import Flask

from contracts.services import INVENTORY
from inventory.api import inventory_routes
from runtime.environment import Environment
from web.app import WebSettings, open_database, service_app


def create_app(settings: WebSettings | None = None) -> Flask:
    settings = settings or WebSettings.read(Environment())
    engine = open_database(INVENTORY.name, settings)
    return service_app(INVENTORY.name, settings, engine, inventory_routes(engine))
