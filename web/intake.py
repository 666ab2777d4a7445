"""The way of a write into a service: counted, admitted, done once together with others, answered.

A request that was answered before is answered again whatever the load: that costs a read, and spares the
caller from not knowing.
"""

import threading
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from flask import request
from sqlalchemy import Engine

from messaging.errors import is_messages_own
from web import idempotency
from web.answers import Answer
from web.group_commit import GroupCommit
from web.idempotency import KEYED, Act, Asked, Outcome
from web.load import SHED, Load, WalPressure
from web.problems import Problem
from web.rate_limit import LIMITED, Limiter, RateLimit
from web.tracing import current
from web.validation import RequestModel, read_body

# A request that is answered alone holds a connection, and may wait in it for its twin. Half of them are left
# for everybody else.
ALONE_MAX, ALONE_SECONDS_MAX = 8, 2.0

# What a route that takes its writes through here promises.
INTAKE = (KEYED, LIMITED, SHED)

Wanted = TypeVar("Wanted", bound=RequestModel)


class Intake:
    """What guards the writing routes of one service."""

    def __init__(self, engine: Engine, limit: RateLimit | None) -> None:
        self.engine = engine
        self.limiter = Limiter(engine, limit)
        self.load = Load(WalPressure(engine))
        self.alone = threading.BoundedSemaphore(ALONE_MAX)
        self._routes: list[Route[Any]] = []

    def route(self, model: type[Wanted], act: Act[Wanted]) -> "Route[Wanted]":
        route = Route(self, model, act)
        self._routes.append(route)
        return route

    @property
    def waiting(self) -> int:
        """How many admitted requests wait for a transaction."""
        return sum(route.waiting for route in self._routes)


class Route(Generic[Wanted]):
    """One writing route: `act` on bodies, in a transaction that is committed before one is answered."""

    def __init__(self, intake: Intake, model: type[Wanted], act: Act[Wanted]) -> None:
        self._intake, self._model, self._act = intake, model, act
        self._group = GroupCommit(self._answer_group)

    @property
    def waiting(self) -> int:
        return len(self._group)

    def take(self) -> Answer:
        """The answer to the request that is under way. Raises Problem."""
        limited = self._intake.limiter.refusal()
        if limited and idempotency.HEADER not in request.headers:
            raise limited
        wanted = read_body(self._model)
        asked = Asked(idempotency.read_attempt(wanted), wanted, current())
        with self._intake.load.admission() as overloaded:
            outcome = self._refused(asked, limited or overloaded) or self._answer(asked)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    def _refused(self, asked: Asked[Wanted], refusal: Problem | None) -> Outcome | None:
        """What was answered before is answered again; None where nothing is to be refused."""
        if refusal is None:
            return None
        before = idempotency.find_answer(self._intake.engine, asked.attempt) if asked.attempt else None
        return before or refusal

    def _answer(self, asked: Asked[Wanted]) -> Outcome:
        if outcome := self._group.do(asked):
            return outcome
        if not self._intake.alone.acquire(timeout=ALONE_SECONDS_MAX):
            raise Problem(503, "Others were not done in time. Nothing was changed; try again.")
        try:
            return idempotency.answer_alone(self._intake.engine, asked, self._act)
        finally:
            self._intake.alone.release()

    def _answer_group(self, asked: Sequence[Asked[Wanted]]) -> Sequence[Outcome | None]:
        """One that cannot be kept takes nobody with it: then each is tried alone."""
        try:
            return idempotency.answer_group(self._intake.engine, asked, self._act)
        except Exception as error:
            if len(asked) == 1 or not is_messages_own(error):
                raise
            return [None for _ in asked]
