"""The port to a payment gateway, and the adapter that speaks HTTP to one."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import urllib3

from contracts.messages import Money
from runtime.errors import NeverlostError

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0  # of silence; the setting GATEWAY_TIMEOUT_SECONDS says otherwise
TEXT_CHARACTERS_MAX = 500


class OutcomeUnknown(NeverlostError):  # noqa: N818 - it says what is known
    """The gateway may or may not have done it. Ask `find` before anything is tried again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gateway did, under its reference; `declined` is the reason where it refused."""

    reference: str
    declined: str | None = None


class Gateway(Protocol):
    """What the executor needs of a gateway. `key` makes a repeated call harmless, whatever else it says.

    A refund is declined where the charge was not good, or holds less than that any more. Every method may
    block for some seconds and raises OutcomeUnknown when the answer is not certain.
    """

    def charge(self, key: str, money: Money, token: str) -> Outcome: ...

    def refund(self, key: str, money: Money, charge_key: str) -> Outcome: ...

    def find(self, key: str) -> Outcome | None:
        """What became of an earlier call with this key; None when the gateway never saw it."""


class HttpGateway:
    """The adapter. Its pool keeps `connections` connections open between calls."""

    def __init__(self, url: str, connections: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url.rstrip("/")
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=answer_seconds)
        self._pool = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False)

    def charge(self, key: str, money: Money, token: str) -> Outcome:
        return self._do(key, "/charges", {**money.model_dump(), "token": token})

    def refund(self, key: str, money: Money, charge_key: str) -> Outcome:
        return self._do(key, "/refunds", {**money.model_dump(), "charge": charge_key})

    def find(self, key: str) -> Outcome | None:
        response = self._send("GET", f"/operations/{key}", key)
        return None if response.status == HTTPStatus.NOT_FOUND else _outcome(response)

    def _do(self, key: str, path: str, body: dict[str, Any]) -> Outcome:
        return _outcome(self._send("POST", path, key, body))

    def _send(
        self, method: str, path: str, key: str, body: dict[str, Any] | None = None
    ) -> urllib3.BaseHTTPResponse:
        try:
            headers = {"Idempotency-Key": key}
            return self._pool.request(method, self._url + path, json=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise OutcomeUnknown(f"{method} {path}: {type(error).__name__}") from error


def _outcome(response: urllib3.BaseHTTPResponse) -> Outcome:
    """200 is an answer, good or declined; anything else leaves it open."""
    if response.status != HTTPStatus.OK:
        raise OutcomeUnknown(f"the gateway answered {response.status}")
    try:
        body = response.json()
        reference, declined = str(body["reference"]), body["declined"]
    except (ValueError, KeyError, TypeError) as error:
        raise OutcomeUnknown("the gateway's answer could not be read") from error
    if declined is not None and not isinstance(declined, str):
        raise OutcomeUnknown("the gateway's answer says neither yes nor why not")
    return Outcome(_bounded(reference), None if declined is None else _bounded(declined))


def _bounded(text: str) -> str:
    """What others write goes into events, and those have a size; NUL is in no text of the database."""
    return text.replace("\x00", "")[:TEXT_CHARACTERS_MAX]
