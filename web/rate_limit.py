"""How often one client may write: GCRA in one statement, with nothing but Postgres.

Off unless `RATE_LIMIT` says otherwise: `20/s`, `100/10s`, `20/s;burst=40`. When the statement fails the
request goes on: a limit protects from too much, and must not itself be what stops orders.
"""

import math
import re
from dataclasses import dataclass

import structlog
from flask import Response, g
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from runtime import redaction
from web import sql
from web.callers import caller
from web.operations import Header, Trait
from web.problems import Problem

log = structlog.get_logger(__name__)

_TOLD = (200, 201, 202, 429)
LIMITED = Trait(
    problems={429: "Too many requests of this client."},
    answers=(
        Header(
            "RateLimit-Policy",
            "The limit, where there is one: draft-ietf-httpapi-ratelimit-headers-10.",
            on=_TOLD,
        ),
        Header("RateLimit", "How many requests are left, and the seconds until all are.", on=_TOLD),
    ),
)

FORM = "requests/seconds such as 20/s, 100/10s or 20/s;burst=40, or off"
_SETTING = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,3})?s(?:;burst=([1-9]\d{0,5}))?")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests in so many seconds, and how many of them at once."""

    requests: int
    seconds: int
    burst: int

    @property
    def emission(self) -> float:
        """Seconds that one request is worth."""
        return self.seconds / self.requests

    @property
    def tolerance(self) -> float:
        """Seconds that a client may be ahead of the clock: a whole burst."""
        return self.burst * self.emission

    @property
    def policy(self) -> str:
        return f'"default";q={self.burst};w={math.ceil(self.tolerance)}'


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the request may be; `ahead` is how far the client is ahead of the clock, in seconds."""

    allowed: bool
    ahead: float


def parse_rate_limit(text: str) -> RateLimit | None:
    """None for `off`; ValueError for what is no limit."""
    if text == "off":
        return None
    found = _SETTING.fullmatch(text)
    if found is None:
        raise ValueError(text)
    requests, seconds, burst = found.groups()
    return RateLimit(int(requests), int(seconds or 1), int(burst or requests))


def headers(limit: RateLimit, decision: Decision) -> dict[str, str]:
    """Policy and what is left of it, as draft-ietf-httpapi-ratelimit-headers-10 has them."""
    left = max(0, math.floor((limit.tolerance - decision.ahead) / limit.emission + 1e-6))
    reset = max(0, math.ceil(decision.ahead))
    return {"RateLimit-Policy": limit.policy, "RateLimit": f'"default";r={left};t={reset}'}


def retry_after(limit: RateLimit, decision: Decision) -> int:
    """Seconds until one more request fits."""
    return max(1, math.ceil(decision.ahead + limit.emission - limit.tolerance))


def tell_limits(response: Response) -> Response:
    """Add what is left to the answer of a request that was counted, whatever the answer is."""
    response.headers.update(g.get("rate_limit", {}))
    return response


class Limiter:
    """Counts requests by client; without a limit it lets everything through."""

    def __init__(self, engine: Engine, limit: RateLimit | None) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._limit = limit

    def refusal(self) -> Problem | None:
        """Count this request; the problem to answer with when it is one too many."""
        if self._limit is None or (decision := self._decide(self._limit)) is None:
            return None
        g.rate_limit = headers(self._limit, decision)
        if decision.allowed:
            return None
        seconds = str(retry_after(self._limit, decision))
        return Problem(429, "Too many requests; slow down.", headers={"Retry-After": seconds})

    def require(self) -> None:
        """Count this request, and end it when it is one too many."""
        if refusal := self.refusal():
            raise refusal

    def _decide(self, limit: RateLimit) -> Decision | None:
        client = caller()
        spent = {"client": client, "emission": limit.emission, "tolerance": limit.tolerance}
        try:
            with self._engine.connect() as connection:
                row = connection.execute(sql.SPEND_REQUEST, spent).first()
        except SQLAlchemyError as error:
            log.warning("request not counted, and let through", reason=redaction.explain(error))
            return None
        # No row: since our statement began, another request of the client was counted and was the last.
        return Decision(row.allowed, row.ahead) if row else Decision(allowed=False, ahead=limit.tolerance)
