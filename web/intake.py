"""The way of a write into a service: counted, admitted, done once, answered.

A request that was answered before is answered again whatever the load: that costs a read, and spares the
caller from not knowing.
"""

from collections.abc import Callable
from typing import TypeVar

from flask import request
from sqlalchemy import Connection, Engine

from web import idempotency
from web.answers import Answer
from web.idempotency import KEYED
from web.load import SHED, Load, WalPressure
from web.problems import Problem
from web.rate_limit import LIMITED, Limiter, RateLimit
from web.validation import RequestModel, read_body

# What a route that takes its writes through here promises.
INTAKE = (KEYED, LIMITED, SHED)

Wanted = TypeVar("Wanted", bound=RequestModel)


class Intake:
    """What guards the writing routes of one service."""

    def __init__(self, engine: Engine, limit: RateLimit | None) -> None:
        self.limiter = Limiter(engine, limit)
        self.load = Load(WalPressure(engine))
        self._engine = engine

    def take(self, model: type[Wanted], act: Callable[[Connection, Wanted], Answer]) -> Answer:
        """`act` on the body, in one transaction that is committed before this returns."""
        limited = self.limiter.refusal()
        if limited and idempotency.HEADER not in request.headers:
            raise limited
        wanted = read_body(model)
        attempt = idempotency.read_attempt(wanted)
        with self.load.admission() as overloaded:
            if refusal := limited or overloaded:
                return self._answered_before(attempt, refusal)
            return idempotency.answer_once(self._engine, attempt, lambda connection: act(connection, wanted))

    def _answered_before(self, attempt: idempotency.Attempt | None, refusal: Problem) -> Answer:
        answer = idempotency.find_answer(self._engine, attempt) if attempt else None
        if answer is None:
            raise refusal
        return answer
