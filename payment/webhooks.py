"""What the gateway tells by itself: `POST /webhooks/gateway`, believed only with its signature.

It settles an intent exactly as the executor's answer would, and whichever comes first counts. The sender's
clock is compared with this host's, so that a forged or an old webhook costs the database nothing.
"""

import re
import time
from collections.abc import Sequence
from typing import Annotated

import structlog
from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, StringConstraints, ValidationError
from sqlalchemy import Connection, Engine
from werkzeug.datastructures import Headers, WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from messaging.envelope import as_uuid
from payment import handlers, models, queries
from payment.gateway import Outcome
from payment.shapes import Taken
from payment.signatures import is_signed, is_timely
from web.operations import Header, Operation, promises
from web.problems import not_found, unprocessable

_ID = re.compile(r"[!-~]{1,200}")

# Text that the database takes.
_Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]+$")]

log = structlog.get_logger(__name__)


class Settled(BaseModel):
    """Which intent, and what the gateway did; a field that is not known is ignored."""

    key: _Text
    reference: _Text
    declined: _Text | None


class Webhook(BaseModel):
    data: Settled


TAKE = Operation(
    "Take what the gateway tells by itself",
    {200: Taken},
    "Signed in the way of Standard Webhooks; one that was taken before changes nothing.",
    body=Webhook,
    problems={
        401: "The signature is missing or wrong, or the timestamp is not of now.",
        404: "No secret of the gateway's webhooks is set here.",
    },
    headers=(Header("WWW-Authenticate", "How to authenticate.", on=(401,)),),
)


def webhook_routes(engine: Engine, secrets: Sequence[str]) -> Blueprint:
    """The route, a transaction of its own. Without a secret nothing could be believed: it is not there."""
    routes = Blueprint("webhooks", __name__)

    @routes.post("/webhooks/gateway")
    @promises(TAKE)
    def receive() -> Response:
        if not secrets:
            raise not_found("webhook")
        body = request.get_data()
        webhook_id = _believed(request.headers, body, secrets)
        settled = _read(body)
        with engine.begin() as connection:
            take(connection, webhook_id, settled)
        return jsonify(status="taken")

    return routes


def take(connection: Connection, webhook_id: str, settled: Settled) -> None:
    """Settle the intent that the webhook names. One that was taken before changes nothing."""
    if connection.execute(queries.TAKE_WEBHOOK, {"id": webhook_id}).first() is None:
        return
    intent = connection.execute(queries.FIND_INTENT, {"id": as_uuid(settled.key)}).first()
    if intent is None:
        log.warning("a webhook names no intent of ours", webhook_id=webhook_id)
        return
    outcome = Outcome(settled.reference, settled.declined)
    operation = models.Operation(intent.operation)
    # The gateway's request is a trace of its own; what it tells belongs to that of the intent.
    result = handlers.Result(intent.id, intent.order_id, operation, outcome, intent.traceparent)
    handlers.lock_calls(connection, [result])
    handlers.store_results(connection, [result])


def _believed(headers: Headers, body: bytes, secrets: Sequence[str]) -> str:
    """The webhook's id; 401, and no word of what it said, where it is not the gateway's or not of now."""
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not is_timely(timestamp, time.time()):
        raise _refused("the timestamp is missing or not of now")
    if not is_signed(secrets, webhook_id, timestamp, body, signatures):
        raise _refused("no signature is good")
    if not _ID.fullmatch(webhook_id):
        raise _refused("the id is missing or not one")
    return webhook_id


def _refused(reason: str) -> Unauthorized:
    log.warning("a webhook was refused", reason=reason)
    return Unauthorized("The webhook's signature is not good.", www_authenticate=WWWAuthenticate("webhook"))


def _read(body: bytes) -> Settled:
    try:
        return Webhook.model_validate_json(body).data
    except ValidationError:
        raise unprocessable("body", "is not what this webhook says") from None
