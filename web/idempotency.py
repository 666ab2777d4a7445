"""`Idempotency-Key`: a repeated request gets the answer of the first, and has no second effect.

The key is claimed, used and answered in the transaction of what it protects, so there is no moment in
which one is kept without the other. Errors are not kept: the claim goes with them.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from flask import request
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from web import sql
from web.answers import Answer
from web.callers import caller
from web.operations import Header, Trait
from web.problems import Problem
from web.times import as_text
from web.validation import RequestModel

HEADER = "Idempotency-Key"
KEPT_SECONDS = 24 * 60 * 60
TWIN_SECONDS_MAX = 2.0

KEYED = Trait(
    problems={
        400: f"{HEADER} is malformed.",
        409: "A request with this key is being answered.",
        422: "The key was used for another request.",
    },
    asks=(
        Header(
            HEADER,
            "A request that comes again with the same key and body is answered as the first was and has no"
            " second effect, for 24 hours. Keys of one caller and one route are apart from all others."
            " Visible ASCII, in double quotes or without.",
            {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["order-of-lunch-4711"]},
        ),
    ),
    answers=(
        Header(
            "Idempotency-Expires", "When the key may be used anew.", {"type": "string", "format": "date-time"}
        ),
        Header("Idempotent-Replayed", "The answer is that of an earlier request.", {"const": "true"}),
    ),
)

_BARE = re.compile(r"[!#-~][!-~]{0,254}")
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\]){1,255})"')

Act = Callable[[Connection], Answer]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a request that carries a key: whose key it is, and what is asked with it."""

    caller: str
    route: str
    key: str
    fingerprint: bytes

    def columns(self) -> dict[str, Any]:
        return {"caller": self.caller, "route": self.route, "key": self.key, "fingerprint": self.fingerprint}


def read_attempt(wanted: RequestModel | None) -> Attempt | None:
    """The request's attempt; None where it carries no key."""
    header = request.headers.get(HEADER)
    if header is None:
        return None
    route = f"{request.method} {request.url_rule}"
    return Attempt(caller(), route, parse_key(header), fingerprint(request.path, wanted))


def parse_key(header: str) -> str:
    """The key, bare or as a string of Structured Fields; 400 for anything else."""
    text = header.strip(" \t")
    if quoted := _QUOTED.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if _BARE.fullmatch(text):
        return text
    raise Problem(400, f"{HEADER} must be 1 to 255 visible ASCII characters, in double quotes or without.")


def fingerprint(path: str, wanted: RequestModel | None) -> bytes:
    """The same for the same request, in whatever order and spacing its JSON was written."""
    body = wanted.model_dump(mode="json", exclude_unset=True) if wanted is not None else None
    return hashlib.sha256(json.dumps([path, body], sort_keys=True, separators=(",", ":")).encode()).digest()


def answer_once(engine: Engine, attempt: Attempt | None, act: Act) -> Answer:
    """`act` in a transaction of its own; with a key at most once, and its answer kept with it."""
    with engine.begin() as connection:
        if attempt is None:
            return act(connection)
        expires_at = _claim(connection, attempt)
        if expires_at is None:
            return _kept(connection, attempt) or _in_flight()
        answer = act(connection).saying(headers=_expiry(expires_at))
        _keep(connection, attempt, answer)
        return answer


def find_answer(engine: Engine, attempt: Attempt) -> Answer | None:
    """The kept answer; None where there is none yet. 422 when the key was used for another request."""
    with engine.connect() as connection:
        return _kept(connection, attempt)


def _claim(connection: Connection, attempt: Attempt) -> datetime | None:
    """When the claimed key will expire; None when it is another's. Waits for a twin, but not for long."""
    connection.execute(sql.LOCK_TIMEOUT, {"milliseconds": f"{TWIN_SECONDS_MAX * 1000:.0f}"})
    try:
        claimed = connection.execute(sql.CLAIM_KEY, {**attempt.columns(), "seconds": KEPT_SECONDS}).first()
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            _in_flight()
        raise
    return claimed.expires_at if claimed else None


def _keep(connection: Connection, attempt: Attempt, answer: Answer) -> None:
    kept = {
        "status": answer.status,
        "headers": json.dumps(dict(answer.headers)),
        "body": json.dumps(answer.body),
    }
    connection.execute(sql.STORE_ANSWER, {**attempt.columns(), **kept})


def _kept(connection: Connection, attempt: Attempt) -> Answer | None:
    row = connection.execute(sql.FIND_ANSWER, attempt.columns()).first()
    if row is None:
        return None
    if row.fingerprint != attempt.fingerprint:
        raise Problem(422, f"This {HEADER} was used for another request; take a new one for a new request.")
    told = {"Idempotent-Replayed": "true"}
    return Answer(row.status, row.body, {**row.headers, **told}, replayed=True)


def _expiry(moment: datetime) -> dict[str, str]:
    return {"Idempotency-Expires": as_text(moment.replace(microsecond=0))}


def _in_flight() -> NoReturn:
    raise Problem(
        409, f"A request with this {HEADER} is being answered. Ask again.", headers={"Retry-After": "1"}
    )
