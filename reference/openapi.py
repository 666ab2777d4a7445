"""The OpenAPI document of each service, as it serves it: made of the code, no database is asked."""

from collections.abc import Callable, Mapping

from flask import Flask
from sqlalchemy import make_url

from contracts.services import INVENTORY, ORDER, PAYMENT, Service
from inventory.app import create_app as inventory_app
from order.app import create_app as order_app
from payment.app import create_app as payment_app
from web.app import WebSettings
from web.openapi import Json
from web.openapi import document as described

# Applications are made without their database: it is only asked when a request comes.
_NOWHERE = WebSettings(make_url("postgresql+psycopg://nobody@127.0.0.1:1/none"), (), "")

_FACTORIES: Mapping[Service, Callable[[WebSettings], Flask]] = {
    ORDER: order_app,
    PAYMENT: payment_app,
    INVENTORY: inventory_app,
}


def document(service: Service) -> Json:
    return described(_FACTORIES[service](_NOWHERE))
