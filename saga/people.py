"""What people do to a saga: cancel it, try again, turn it round, or settle by hand what would not work.

Each is one call in the caller's transaction; it says in the saga's log who did it and why.
"""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from runtime.errors import NeverlostError
from saga import advance, records, sql
from saga.orchestrator import Happening, Orchestrator
from saga.records import Loaded
from saga.state import Cause, SagaState, SagaStatus, Why


class UnknownSaga(NeverlostError):  # noqa: N818 - it says what is wrong
    """There is no saga of that id."""


class NotPossible(NeverlostError):  # noqa: N818
    """The saga is where this cannot be done; nothing was changed."""


@dataclass(frozen=True, slots=True)
class By:
    """Who it is, and why; the saga's log keeps both. `traceparent` names the span of their request."""

    actor: str
    note: str | None = None
    traceparent: str | None = None


def cancel(orchestrator: Orchestrator, connection: Connection, saga_id: UUID, by: By) -> SagaState:
    """Turn a saga round because its customer wants it; one that goes back already is left as it is.

    Raises NotPossible after the pivot, and for a saga that is ending because a step was refused.
    """
    loaded = _lock(orchestrator, connection, saga_id)
    if loaded.state.cause and loaded.state.cause.why is not Why.REFUSED:
        return loaded.state
    cause = Cause(Why.CANCELLED)
    move = advance.cancel(orchestrator.definition(loaded), loaded.state, cause, loaded.now)
    if move is None:
        raise NotPossible(f"it is too late: {_where(loaded.state)}")
    orchestrator.move(connection, [Happening.of(loaded, move, "cancelled", **asdict(by))])
    return move.state


def retry(orchestrator: Orchestrator, connection: Connection, saga_id: UUID, by: By) -> SagaState:
    """Send the command that a saga needing attention waits for once more, under a new epoch."""
    loaded = _lock(orchestrator, connection, saga_id)
    move = advance.retry(orchestrator.definition(loaded), loaded.state, loaded.now)
    if move is None:
        raise NotPossible(f"only a saga that needs attention is tried again: {_where(loaded.state)}")
    orchestrator.move(connection, [Happening.of(loaded, move, "retry", **asdict(by))])
    return move.state


def compensate(orchestrator: Orchestrator, connection: Connection, saga_id: UUID, by: By) -> SagaState:
    """Turn a saga round, before its pivot."""
    loaded = _lock(orchestrator, connection, saga_id)
    cause = Cause(Why.OPERATOR, detail=by.note)
    move = advance.cancel(orchestrator.definition(loaded), loaded.state, cause, loaded.now)
    if move is None:
        raise NotPossible(f"only a saga before its pivot is turned round, and once: {_where(loaded.state)}")
    orchestrator.move(connection, [Happening.of(loaded, move, "compensate", **asdict(by))])
    return move.state


def resolve(
    orchestrator: Orchestrator,
    connection: Connection,
    saga_id: UUID,
    by: By,
    *,
    unanswered: bool = False,
) -> SagaState:
    """Take what a saga needing attention waits for as done by hand: a refund by bank transfer, say.

    Only what undoes, or comes after the pivot, can be settled so; before it, retry or compensate. A
    participant that has not answered may do it all the same, later: `unanswered` says that this is seen to.
    """
    loaded, how = _lock(orchestrator, connection, saga_id), {"unanswered": unanswered}
    move = advance.resolve(orchestrator.definition(loaded), loaded.state, loaded.now, **how)
    if move is None:
        raise NotPossible(_why_not_resolved(loaded.state, **how))
    orchestrator.move(connection, [Happening.of(loaded, move, "resolve", **asdict(by))])
    return move.state


def find(connection: Connection, saga_id: UUID) -> tuple[Row[Any], list[Row[Any]]]:
    """A saga and its log. Raises UnknownSaga."""
    saga = connection.execute(sql.GET_SAGA, {"id": saga_id}).first()
    if saga is None:
        raise UnknownSaga(f"there is no saga {saga_id}")
    return saga, list(connection.execute(sql.READ_LOG, {"id": saga_id}))


def _lock(orchestrator: Orchestrator, connection: Connection, saga_id: UUID) -> Loaded:
    orchestrator.lock(connection, [saga_id])
    found = records.read(connection, [saga_id])
    if saga_id not in found:
        raise UnknownSaga(f"there is no saga {saga_id}")
    return found[saga_id]


def _where(state: SagaState) -> str:
    return f"it is {state.status}" + (f" ({state.cause.why})" if state.cause else "")


def _why_not_resolved(state: SagaState, *, unanswered: bool) -> str:
    if state.status is not SagaStatus.NEEDS_ATTENTION:
        return f"only a saga that needs attention is settled by hand: {_where(state)}"
    if not unanswered and (open_ones := advance.awaited_answers(state)):
        return (
            f"{', '.join(open_ones)} was not answered, so it may still be done, twice then; see to it that"
            " it is not, and say `unanswered`"
        )
    return "before the pivot nothing counts as done by hand: retry, or compensate"
