"""`Idempotency-Key`: a repeated request gets the answer of the first, and has no second effect.

The key is claimed, used and answered in the transaction of what it protects, so there is no moment in
which one is kept without the other. Errors are not kept: they give the claim back. Requests that come at the
same moment share a transaction, and while it lasts it holds a lock on each of their keys.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from flask import request
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, Row
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

Name = tuple[str, str, str]
Wanted = TypeVar("Wanted")
Outcome = Answer | Problem


@dataclass(frozen=True)
class Attempt:
    """One try of a request that carries a key: whose key it is, and what is asked with it."""

    caller: str
    route: str
    key: str
    fingerprint: bytes

    @property
    def name(self) -> Name:
        return self.caller, self.route, self.key

    @cached_property
    def lock(self) -> int:
        """What locks the key while it is being answered. Two keys with one lock are answered one by one."""
        return int.from_bytes(hashlib.sha256("\0".join(self.name).encode()).digest()[:8], signed=True)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Wanted]):
    """What one request wants, the key it carries, and the span that it is."""

    attempt: Attempt | None
    wanted: Wanted
    traceparent: str


# Given what several requests want, in the caller's transaction; an outcome for each, in their order.
Act = Callable[[Connection, Sequence[Asked[Wanted]]], Sequence[Outcome]]


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


def answer_group(engine: Engine, asked: Sequence[Asked[Wanted]], act: Act[Wanted]) -> list[Outcome | None]:
    """The outcome of each, in one transaction: of `act` where the key is new, else what was kept.

    None for a twin, whose key somebody else is just now answering, or another of the group: nobody waits for
    it here, `answer_alone` does.
    """
    with engine.begin() as connection:
        mine = _locked(connection, asked)
        found = dict(zip(mine, _answer(connection, [asked[n] for n in mine], act), strict=True))
    return [found.get(n) for n in range(len(asked))]


def answer_alone(engine: Engine, asked: Asked[Wanted], act: Act[Wanted]) -> Outcome:
    """The same for one, which waits for a twin, but not for long."""
    with engine.begin() as connection:
        if asked.attempt:
            _await_twin(connection, asked.attempt)
        [outcome] = _answer(connection, [asked], act)
    return outcome


def find_answer(engine: Engine, attempt: Attempt) -> Outcome | None:
    """What was kept; None where there is nothing yet. 422 when the key was used for another request."""
    with engine.connect() as connection:
        kept = _kept(connection, [attempt])
    return _replay(attempt, kept[attempt.name]) if kept else None


def _locked(connection: Connection, asked: Sequence[Asked[Any]]) -> list[int]:
    """The places of those who may go on: without a key, or the first of the group with one that is free."""
    first: dict[int, int] = {}
    for place, each in enumerate(asked):
        if each.attempt:
            first.setdefault(each.attempt.lock, place)
    rows = connection.execute(sql.TRY_KEYS, {"locks": list(first)}) if first else ()
    free = {first[row.lock] for row in rows if row.is_ours}
    return [place for place, each in enumerate(asked) if each.attempt is None or place in free]


def _await_twin(connection: Connection, attempt: Attempt) -> None:
    connection.execute(sql.LOCK_TIMEOUT, {"milliseconds": f"{TWIN_SECONDS_MAX * 1000:.0f}"})
    try:
        connection.execute(sql.AWAIT_KEY, {"lock": attempt.lock})
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise _in_flight() from None
        raise


def _answer(connection: Connection, asked: Sequence[Asked[Wanted]], act: Act[Wanted]) -> list[Outcome]:
    """Claim, act, keep; each key is locked."""
    attempts = [each.attempt for each in asked if each.attempt]
    claims = _claim(connection, attempts) if attempts else {}
    used = [attempt for attempt in attempts if attempt not in claims]
    replays = _replays(connection, used) if used else {}
    fresh = [each for each in asked if each.attempt not in replays]
    acted = act(connection, fresh) if fresh else ()
    done = [
        (each.attempt, _dated(outcome, claims.get(each.attempt)))
        for each, outcome in zip(fresh, acted, strict=True)
    ]
    _keep(connection, {attempt: outcome for attempt, outcome in done if attempt})
    rest = iter(done)
    return [replays[each.attempt] if each.attempt in replays else next(rest)[1] for each in asked]


def _claim(connection: Connection, attempts: Sequence[Attempt]) -> dict[Attempt | None, datetime]:
    """When each claimed key will expire; those that are missing have been used."""
    rows = connection.execute(sql.CLAIM_KEYS, {**_columns(attempts), "seconds": KEPT_SECONDS})
    expires_at = {(row.caller, row.route, row.key): row.expires_at for row in rows}
    return {attempt: expires_at[attempt.name] for attempt in attempts if attempt.name in expires_at}


def _keep(connection: Connection, outcomes: Mapping[Attempt, Outcome]) -> None:
    """Answers stay with their keys; problems give them back."""
    answers = {attempt: each for attempt, each in outcomes.items() if isinstance(each, Answer)}
    if answers:
        told = {
            "statuses": [answer.status for answer in answers.values()],
            "headers": [json.dumps(dict(answer.headers)) for answer in answers.values()],
            "bodies": [json.dumps(answer.body) for answer in answers.values()],
        }
        connection.execute(sql.STORE_ANSWERS, {**_columns(list(answers)), **told})
    if given_back := [attempt for attempt in outcomes if attempt not in answers]:
        connection.execute(sql.GIVE_BACK_KEYS, _columns(given_back))


def _replays(connection: Connection, attempts: Sequence[Attempt]) -> dict[Attempt | None, Outcome]:
    """What each is answered with whose key was used before."""
    kept = _kept(connection, attempts)
    return {attempt: _replay(attempt, kept.get(attempt.name)) for attempt in attempts}


def _kept(connection: Connection, attempts: Sequence[Attempt]) -> dict[Name, Row[Any]]:
    rows = connection.execute(sql.FIND_ANSWERS, _columns(attempts))
    return {(row.caller, row.route, row.key): row for row in rows}


def _replay(attempt: Attempt, kept: Row[Any] | None) -> Outcome:
    if kept is None:
        return _in_flight()
    if kept.fingerprint != attempt.fingerprint:
        return Problem(422, f"This {HEADER} was used for another request; take a new one for a new request.")
    told = {"Idempotent-Replayed": "true"}
    return Answer(kept.status, kept.body, {**kept.headers, **told}, replayed=True)


def _dated(outcome: Outcome, expires_at: datetime | None) -> Outcome:
    if expires_at is None or isinstance(outcome, Problem):
        return outcome
    return outcome.saying(headers={"Idempotency-Expires": as_text(expires_at.replace(microsecond=0))})


def _columns(attempts: Sequence[Attempt]) -> dict[str, list[Any]]:
    return {
        "callers": [attempt.caller for attempt in attempts],
        "routes": [attempt.route for attempt in attempts],
        "keys": [attempt.key for attempt in attempts],
        "fingerprints": [attempt.fingerprint for attempt in attempts],
    }


def _in_flight() -> Problem:
    return Problem(
        409, f"A request with this {HEADER} is being answered. Ask again.", headers={"Retry-After": "1"}
    )
