"""How a saga goes on: pure functions from (definition, state, what happened, now) to a move.

`now` is the database's clock, read with the state. A function that answers None has nothing to change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from saga.definition import Definition, Operation, Route, Step
from saga.state import AWAITED, FINAL, Cause, Progress, SagaState, SagaStatus, StepState, Why


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: what it says, to which try, and why, where it gives a reason."""

    route: Route
    epoch: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """A command that follows from a move."""

    step: str
    operation: Operation
    epoch: int


@dataclass(frozen=True, slots=True)
class Move:
    """One transition of one saga: where it is now, and which commands follow."""

    state: SagaState
    sends: tuple[Send, ...] = ()


def begin(definition: Definition, saga_id: UUID, now: datetime) -> Move:
    """The first move of a new saga."""
    return _forward(definition, SagaState(saga_id), now)


def take(definition: Definition, state: SagaState, answer: Answer, now: datetime) -> Move | None:
    """The move that a reply brings; None where the saga does not wait for it."""
    if state.status in FINAL or not is_awaited(state, answer):
        return None
    return (_succeeded if answer.route.good else _failed)(definition, state, answer, now)


def elapse(definition: Definition, state: SagaState, now: datetime) -> Move | None:
    """The move that the clock brings: another try, a turn, or a call for a person."""
    if state.due is None or state.due > now:
        return None
    due = {name: step for name, step in state.steps.items() if step.due and step.due <= now}
    if expired := [name for name, step in due.items() if step.progress is Progress.ASKED]:
        return _give_up(definition, state, Cause(Why.EXPIRED, expired[0]), now)
    if late := [name for name, step in due.items() if step.progress is Progress.UNDOING]:
        return _wait_for_a_person(state, *late)
    return _ask_again(definition, state, due, now)


def cancel(definition: Definition, state: SagaState, cause: Cause, now: datetime) -> Move | None:
    """Turn a saga round at somebody's wish; None where it is too late, or under way already."""
    if state.status in FINAL or state.cause or _is_past_pivot(definition, state):
        return None
    return _turn(definition, state, cause, now)


def park(state: SagaState, step: str, operation: Operation) -> Move | None:
    """A participant could not handle the command that the saga waits for: a person has to look."""
    known = state.steps.get(step)
    if state.status in FINAL or known is None or AWAITED.get(known.progress) is not operation:
        return None
    return _wait_for_a_person(state, step)


def retry(definition: Definition, state: SagaState, now: datetime) -> Move | None:
    """Ask again, under a new epoch, for what a saga that needs attention waits for."""
    if state.status is not SagaStatus.NEEDS_ATTENTION:
        return None
    stuck = {name: replace(step, tried=0) for name, step in state.steps.items() if step.progress in AWAITED}
    return _ask_again(definition, state, stuck, now)


def resolve(
    definition: Definition, state: SagaState, now: datetime, *, unanswered: bool = False
) -> Move | None:
    """A person has done by hand what the stuck steps were asked for; before the pivot only undoing counts.

    A participant that has not answered may still do it, so that it would be done twice: what it was asked for
    is settled only if the person says that it was seen to (`unanswered`).
    """
    forward = state.cause is None
    if state.status is not SagaStatus.NEEDS_ATTENTION or (forward and not _is_past_pivot(definition, state)):
        return None
    done = Progress.DONE if forward else Progress.UNDONE
    settled = {
        name: replace(step, progress=done, due=None, stuck=False)
        for name, step in state.steps.items()
        if step.progress in AWAITED and (unanswered or step.due is None)
    }
    return _go_on(definition, _with(state, settled), now) if settled else None


def is_awaited(state: SagaState, answer: Answer) -> bool:
    """The version check: what does not answer the last command sent is not an answer."""
    step = state.steps.get(answer.route.step)
    return (
        step is not None
        and AWAITED.get(step.progress) is answer.route.operation
        and step.epoch == answer.epoch
    )


def awaited_answers(state: SagaState) -> list[str]:
    """What was asked for and has not been answered; a last refusal leaves a step without a due time."""
    return [what for what, step in state.awaited.items() if step.due is not None]


def _is_past_pivot(definition: Definition, state: SagaState) -> bool:
    """Beside other steps the pivot is passed when all of them are done: until then each can be undone."""
    done = {name for name, step in state.steps.items() if step.progress is Progress.DONE}
    return all(step.name in done for step in definition.pivot_group)


def _with(state: SagaState, steps: dict[str, StepState]) -> SagaState:
    """One step that is stuck is enough: the saga waits for a person whatever the others say."""
    after = {**state.steps, **steps}
    if any(step.stuck for step in after.values()):
        status = SagaStatus.NEEDS_ATTENTION
    else:
        status = SagaStatus.COMPENSATING if state.cause else SagaStatus.RUNNING
    return replace(state, status=status, steps=after)


def _wait_for_a_person(state: SagaState, *names: str) -> Move:
    return Move(_with(state, {name: replace(state.steps[name], stuck=True) for name in names}))


def _succeeded(definition: Definition, state: SagaState, answer: Answer, now: datetime) -> Move:
    name = answer.route.step
    done = Progress.DONE if answer.route.operation is Operation.ACTION else Progress.UNDONE
    step = replace(state.steps[name], progress=done, due=None, stuck=False)
    return _go_on(definition, _with(state, {name: step}), now)


def _failed(definition: Definition, state: SagaState, answer: Answer, now: datetime) -> Move:
    """Try again while the policy allows it; else turn round, or call for a person."""
    name, action = answer.route.step, answer.route.operation is Operation.ACTION
    policy = definition.by_name[name].way(answer.route.operation).retry
    step = replace(state.steps[name], stuck=False)
    if step.tried <= policy.attempts:
        again = Progress.RETRYING if action else Progress.UNDO_RETRYING
        pause = policy.pause(step.tried)
        due = now + timedelta(seconds=pause)
        return Move(_with(state, {name: replace(step, progress=again, due=due, patience=pause)}))
    if action and not _is_past_pivot(definition, state):
        refused = _with(state, {name: replace(step, progress=Progress.REFUSED, due=None)})
        return _turn(definition, refused, Cause(Why.REFUSED, name, answer.reason), now)
    return Move(_with(state, {name: replace(step, due=None, stuck=True)}))


def _give_up(definition: Definition, state: SagaState, cause: Cause, now: datetime) -> Move:
    if _is_past_pivot(definition, state) and cause.step:
        return _wait_for_a_person(state, cause.step)
    return _turn(definition, state, cause, now)


def _turn(definition: Definition, state: SagaState, cause: Cause, now: datetime) -> Move:
    """From now on the saga undoes. A step whose last answer was no has nothing to undo."""
    refused = {
        name: replace(step, progress=Progress.REFUSED, due=None)
        for name, step in state.steps.items()
        if step.progress is Progress.RETRYING
    }
    return _back(definition, _with(replace(state, cause=cause), refused), now)


def _go_on(definition: Definition, state: SagaState, now: datetime) -> Move:
    return (_back if state.cause else _forward)(definition, state, now)


def _forward(definition: Definition, state: SagaState, now: datetime) -> Move:
    """Ask for the next group when the one before is done."""
    for group in definition.groups:
        if any(step.name not in state.steps for step in group):
            return _ask(state, group, Operation.ACTION, now)
        if any(state.steps[step.name].progress is not Progress.DONE for step in group):
            return Move(state)
    return Move(replace(state, status=SagaStatus.COMPLETED))


def _back(definition: Definition, state: SagaState, now: datetime) -> Move:
    """Undo the last group that did, or may have done, something; then the one before."""
    under_way = {Progress.UNDOING, Progress.UNDO_RETRYING}
    for group in reversed(definition.groups):
        begun = [step for step in group if step.name in state.steps]
        if owed := [s for s in begun if state.steps[s.name].progress in {Progress.ASKED, Progress.DONE}]:
            return _ask(state, owed, Operation.UNDO, now)
        if any(state.steps[step.name].progress in under_way for step in begun):
            return Move(state)
    return Move(replace(state, status=SagaStatus.COMPENSATED))


def _ask(state: SagaState, group: Iterable[Step], operation: Operation, now: datetime) -> Move:
    """Send a first command to each step of a group."""
    asked: dict[str, StepState] = {}
    for step in group:
        epoch = state.steps[step.name].epoch if step.name in state.steps else 1
        asked[step.name] = _asked(step, operation, now, epoch)
    return Move(_with(state, asked), tuple(Send(name, operation, s.epoch) for name, s in asked.items()))


def _ask_again(definition: Definition, state: SagaState, steps: dict[str, StepState], now: datetime) -> Move:
    """Send the commands of steps once more, as new tries."""
    asked: dict[str, StepState] = {}
    sends = []
    for name, step in steps.items():
        operation = _OPERATION[step.progress]
        asked[name] = _asked(definition.by_name[name], operation, now, step.epoch + 1, step.tried + 1)
        sends.append(Send(name, operation, step.epoch + 1))
    return Move(_with(state, asked), tuple(sends))


def _asked(step: Step, operation: Operation, now: datetime, epoch: int, tried: int = 1) -> StepState:
    """A step whose command goes out now."""
    progress = Progress.ASKED if operation is Operation.ACTION else Progress.UNDOING
    seconds = step.way(operation).deadline_seconds
    return StepState(progress, epoch, tried, now + timedelta(seconds=seconds), patience=seconds)


_OPERATION = {
    **AWAITED,
    Progress.RETRYING: Operation.ACTION,
    Progress.UNDO_RETRYING: Operation.UNDO,
}
