"""The payment service's HTTP process: `gunicorn 'payment.app:create_app()'`."""

from dataclasses import dataclass

from flask import Flask

from contracts.services import PAYMENT
from payment.api import payment_routes
from payment.signatures import is_secret
from payment.webhooks import webhook_routes
from runtime.environment import Environment
from web.app import WebSettings, open_database, service_app


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """What this service alone is told: the secrets of its gateway's webhooks, several during a rotation."""

    webhook_secrets: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Environment) -> "PaymentSettings":
        lines = environment.file("WEBHOOK_SECRET_FILE", "").splitlines()
        secrets = tuple(line.strip() for line in lines if line.strip())
        if not all(map(is_secret, secrets)):
            environment.refuse("WEBHOOK_SECRET_FILE", "holds a secret that is no base64 behind whsec_")
        return cls(webhook_secrets=secrets)


def create_app(settings: WebSettings | None = None, own: PaymentSettings | None = None) -> Flask:
    if settings is None:
        environment = Environment()
        own = PaymentSettings.read(environment)
        settings = WebSettings.read(environment)
    engine = open_database(PAYMENT.name, settings)
    app = service_app(PAYMENT.name, settings, engine, payment_routes(engine))
    app.register_blueprint(webhook_routes(engine, own.webhook_secrets if own else ()))
    return app
