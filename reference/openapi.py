"""The OpenAPI document of each service, as it serves it: made of the code, no database is asked."""

from importlib import import_module

from sqlalchemy import make_url

from contracts.services import Service
from web.app import WebSettings
from web.openapi import Json
from web.openapi import document as described

# Applications are made without their database: it is only asked when a request comes.
_NOWHERE = WebSettings(make_url("postgresql+psycopg://nobody@127.0.0.1:1/none"), (), "")


def document(service: Service) -> Json:
    return described(import_module(f"{service.name}.app").create_app(_NOWHERE))
