"""A payment gateway for trying things out: a process of its own, with a ledger of its own.

`python -m payment.simulated_gateway`. It stands outside the system, so it shares nothing with the
payment service but HTTP and the way webhooks are signed. The token says how a charge goes (TOKENS), and a
share PAYMENT_FAILURE_RATE of good charges is declined too, always the same ones. Every operation is kept
under its idempotency key, so a repeated call gets the first one's answer.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from flask import Flask, Response, jsonify, request
from pydantic import BaseModel
from werkzeug.serving import WSGIRequestHandler, make_server

from payment.simulated_ledger import Ledger
from payment.simulated_webhooks import WebhookSender
from runtime.chance import happens
from runtime.environment import Environment
from runtime.logs import configure
from runtime.stopping import stop_requested

SLOW_SECONDS = 1.5
HANG_SECONDS = 20.0  # longer than any client waits
ENTRIES_MAX = 1000

Answer = Response | tuple[Response, int]


class First(Enum):
    """What is wrong with the first call of a key; the ones after it are answered."""

    ERROR = auto()  # an error, and nothing is done
    HANG = auto()  # no answer, and nothing is done
    DO_AND_HANG = auto()  # no answer, but it is done


@dataclass(frozen=True, slots=True)
class Card:
    """How charges of a token go."""

    declined: str | None = None
    refund_declined: str | None = None
    seconds: float = 0.0
    first: First | None = None
    silent: bool = False  # nothing is done, and nobody is ever told


TOKENS: Mapping[str, Card] = MappingProxyType(
    {
        "tok_ok": Card(),
        "tok_declined": Card(declined="the card was declined"),
        "tok_slow": Card(seconds=SLOW_SECONDS),
        "tok_timeout_charged": Card(first=First.DO_AND_HANG),
        "tok_timeout_not_charged": Card(first=First.HANG),
        "tok_error_then_ok": Card(first=First.ERROR),
        "tok_refund_refused": Card(refund_declined="this card takes no refunds"),
        "tok_unknown_for_ever": Card(silent=True),
    }
)
_NO_CARD = Card(declined="the token is not known")


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
    """What the gateway does with a call. Whatever waits, waits on `stop`, and for a while only."""

    ledger: Ledger
    failure_rate: float
    webhooks: WebhookSender
    stop: threading.Event

    def charge(self, key: str, wanted: Charge) -> Answer:
        card = TOKENS.get(wanted.token, _NO_CARD)
        first = card.first if self.ledger.first_call(key, wanted.token) else None
        if card.silent or first is First.ERROR:
            return _failed(503 if card.silent else 500)
        if first is First.HANG:
            return self._hang()
        declined = card.declined or self._bad_luck(key)
        told = self._told(key, *self.ledger.keep_charge(key, wanted.amount, wanted.currency, declined))
        if first is First.DO_AND_HANG:
            return self._hang()
        self.stop.wait(card.seconds)
        return told

    def refund(self, key: str, wanted: Refund) -> Answer:
        declined = self._card_of(wanted.charge).refund_declined
        kept = self.ledger.keep_refund(key, wanted.amount, wanted.currency, wanted.charge, declined)
        return self._told(key, *kept)

    def find(self, key: str) -> Answer:
        if self._card_of(key).silent:
            return _failed(503)
        found = self.ledger.find(key)
        return jsonify(found) if found else (jsonify(error="unknown key"), 404)

    def _card_of(self, key: str) -> Card:
        return TOKENS.get(self.ledger.token_of(key) or "", _NO_CARD)

    def _bad_luck(self, key: str) -> str | None:
        return "a simulated failure" if happens(f"charge {key}", self.failure_rate) else None

    def _told(self, key: str, entry: Mapping[str, Any], new: bool) -> Response:
        if new:
            self.webhooks.tell(key, entry)
        return jsonify(entry)

    def _hang(self) -> Answer:
        self.stop.wait(HANG_SECONDS)
        return _failed(504)


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
        return jsonify(operations=gateway.ledger.entries(after, ENTRIES_MAX))

    return app


def _failed(status: int) -> Answer:
    return jsonify(error="the gateway does not say"), status


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
    app = create_app(SimulatedGateway(Ledger(path), failure_rate, webhooks, stop))
    server = make_server(host, port, app, threaded=True, request_handler=_KeepAlive)
    threading.Thread(target=webhooks.run, name="webhooks", daemon=True).start()
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    stop.wait()
    server.shutdown()


if __name__ == "__main__":
    main()
