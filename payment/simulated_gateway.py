"""A payment gateway for trying things out: a process of its own, with a ledger of its own.

`python -m payment.simulated_gateway`. It stands outside the system, so it shares nothing with the
payment service but HTTP and the way webhooks are signed. What becomes of a call is for
payment/simulated_cards.py to say; here it is said over HTTP.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flask import Flask, Response, jsonify, request
from pydantic import BaseModel
from werkzeug.serving import WSGIRequestHandler, make_server

from payment.simulated_cards import Cards, Fate, Silence
from payment.simulated_ledger import Ledger
from payment.simulated_webhooks import WebhookSender
from runtime.environment import Environment
from runtime.logs import configure
from runtime.stopping import stop_requested

HANG_SECONDS = 20.0  # longer than any client waits
ENTRIES_MAX = 1000
_STATUS: Mapping[Silence, int] = MappingProxyType(
    {Silence.ERROR: 500, Silence.FOR_EVER: 503, Silence.HANG: 504}
)

Answer = Response | tuple[Response, int]


class Charge(BaseModel):
    amount: int
    currency: str
    token: str


class Refund(BaseModel):
    amount: int
    currency: str
    charge: str


@dataclass(frozen=True, slots=True)
class SimulatedGateway:
    """What the gateway says to a call. Whatever waits, waits on `stop`, and for a while only."""

    cards: Cards
    webhooks: WebhookSender
    stop: threading.Event

    def charge(self, key: str, wanted: Charge) -> Answer:
        return self._done(key, self.cards.charge(key, wanted.amount, wanted.currency, wanted.token))

    def refund(self, key: str, wanted: Refund) -> Answer:
        return self._done(key, self.cards.refund(key, wanted.amount, wanted.currency, wanted.charge))

    def find(self, key: str) -> Answer:
        return self._told(self.cards.find(key))

    def _done(self, key: str, fate: Fate) -> Answer:
        if fate.entry and fate.is_new:
            self.webhooks.tell(key, fate.entry._asdict())
        return self._told(fate)

    def _told(self, fate: Fate) -> Answer:
        if fate.silence:
            self.stop.wait(HANG_SECONDS if fate.silence is Silence.HANG else 0)
            return jsonify(error="the gateway does not say"), _STATUS[fate.silence]
        self.stop.wait(fate.seconds)
        return jsonify(fate.entry._asdict()) if fate.entry else (jsonify(error="unknown key"), 404)


def create_app(gateway: SimulatedGateway) -> Flask:
    """The gateway's HTTP."""
    app = Flask("simulated-gateway", static_folder=None)

    @app.post("/charges")
    def charge() -> Answer:
        wanted = Charge.model_validate_json(request.get_data())
        return gateway.charge(request.headers["Idempotency-Key"], wanted)

    @app.post("/refunds")
    def refund() -> Answer:
        wanted = Refund.model_validate_json(request.get_data())
        return gateway.refund(request.headers["Idempotency-Key"], wanted)

    @app.get("/operations/<key>")
    def find(key: str) -> Answer:
        return gateway.find(key)

    @app.get("/operations")
    def list_operations() -> Answer:
        after = request.args.get("after", 0, type=int)
        return jsonify(operations=gateway.cards.ledger.entries(after, ENTRIES_MAX))

    return app


class _KeepAlive(WSGIRequestHandler):
    """Connections stay open between calls, and no line is logged for each."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the ledger tells what was asked."""


def main() -> None:
    environment = Environment()
    host, port = environment.bind("HTTP_BIND")
    path = environment.text("GATEWAY_DATABASE")
    failure_rate = environment.rate("PAYMENT_FAILURE_RATE")
    webhook_url = environment.text("WEBHOOK_URL", "")
    secrets = environment.file("WEBHOOK_SECRET_FILE", None if webhook_url else "").split()
    environment.check()
    configure("gateway")
    stop = stop_requested()
    webhooks = WebhookSender(webhook_url, secrets, stop)
    app = create_app(SimulatedGateway(Cards(Ledger(path), failure_rate), webhooks, stop))
    server = make_server(host, port, app, threaded=True, request_handler=_KeepAlive)
    threading.Thread(target=webhooks.run, name="webhooks", daemon=True).start()
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    stop.wait()
    server.shutdown()


if __name__ == "__main__":
    main()
