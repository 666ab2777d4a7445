"""A saga as a table that reads top to bottom: what is done, how each answer counts, how it is undone.

    Definition("order", version=1, steps=(
        Step(ChargePayment, success=PaymentCaptured, failure=PaymentDeclined, deadline_seconds=900,
             undo=Undo(RefundPayment, success=PaymentRefunded, failure=PaymentRefundFailed, ...)),
        Step(ReserveStock, ..., pivot=True),
    ))

A saga goes down the table; a step that fails, a deadline that passes or a customer who cancels turns it
round, and it comes back up undoing. After the pivot it can only go on. Steps inside `Parallel` are asked
for together; where the pivot is one of them, it is passed when all are done. A definition that could lose
its way does not build: `InvalidDefinition` says why.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from contracts.messages import Command, Reply
from runtime.errors import NeverlostError
from saga.soundness import problems


class InvalidDefinition(NeverlostError):  # noqa: N818 - it says what it is
    """The definition is not sound; the message says where."""


class Operation(StrEnum):
    """What a command asks of a participant."""

    ACTION = "action"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a refused try is followed by another, under a new epoch, and after which pauses."""

    attempts: int = 0
    first_seconds: float = 2.0
    most_seconds: float = 60.0

    def pause(self, tried: int) -> float:
        """Seconds to wait after the try number `tried`, counted from 1."""
        return min(self.most_seconds, self.first_seconds * float(2 ** min(tried - 1, 30)))


@dataclass(frozen=True, slots=True)
class Undo:
    """A step's compensation. Without `failure` its participant has no way to say no."""

    command: type[Command]
    success: type[Reply]
    failure: type[Reply] | None = None
    deadline_seconds: float = 1800.0
    retry: Retry = field(default_factory=Retry)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a participant does. Known by the name that its command gives it."""

    command: type[Command]
    success: type[Reply]
    failure: type[Reply] | None = None
    undo: Undo | None = None
    deadline_seconds: float = 900.0
    retry: Retry = field(default_factory=Retry)
    pivot: bool = False

    @property
    def name(self) -> str:
        return self.command.step

    def way(self, operation: Operation) -> "Step | Undo":
        """The side of the step that the operation concerns."""
        if operation is Operation.ACTION:
            return self
        if self.undo is None:
            raise InvalidDefinition(f"step {self.name} cannot be undone")
        return self.undo


@dataclass(frozen=True, slots=True)
class Parallel:
    """Steps that are asked for together; the saga goes on when all have succeeded."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """What a reply says: of which step and operation, and whether it succeeded."""

    step: str
    operation: Operation
    good: bool


@dataclass(frozen=True)
class Definition:
    """A sound saga definition. Change what steps there are, or their order, and it is a new version."""

    name: str
    version: int
    steps: tuple[Step | Parallel, ...]

    def __post_init__(self) -> None:
        if found := problems(self):
            raise InvalidDefinition(f"saga {self.name} version {self.version}: {'; '.join(found)}")

    @cached_property
    def groups(self) -> tuple[tuple[Step, ...], ...]:
        """The steps that are asked for together, in order."""
        return tuple(each.steps if isinstance(each, Parallel) else (each,) for each in self.steps)

    @cached_property
    def pivot_group(self) -> tuple[Step, ...]:
        """The group that the pivot is in: once all of it is done the saga only goes on."""
        return next(group for group in self.groups if any(step.pivot for step in group))

    @cached_property
    def by_name(self) -> dict[str, Step]:
        return {step.name: step for group in self.groups for step in group}

    @cached_property
    def routes(self) -> dict[str, Route]:
        """What each reply type says."""
        return {reply.type: route for reply, route in self.answers()}

    @cached_property
    def commands(self) -> dict[str, tuple[str, Operation]]:
        """(step, operation) of each command type."""
        asked = {step.command.type: (step.name, Operation.ACTION) for step in self.by_name.values()}
        undone = {s.undo.command.type: (s.name, Operation.UNDO) for s in self.by_name.values() if s.undo}
        return asked | undone

    def answers(self) -> Iterator[tuple[type[Reply], Route]]:
        for step in (step for group in self.groups for step in group):
            for side, operation in ((step, Operation.ACTION), (step.undo, Operation.UNDO)):
                if side is not None:
                    yield side.success, Route(step.name, operation, good=True)
                    if side.failure is not None:
                        yield side.failure, Route(step.name, operation, good=False)

    @cached_property
    def fingerprint(self) -> str:
        """What a running saga depends on, as a hash: steps, messages, order, pivot; not how long it waits."""
        shape = [[_shape(step) for step in group] for group in self.groups]
        text = json.dumps([self.name, self.version, shape], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _shape(step: Step) -> dict[str, Any]:
    return {
        "step": step.name,
        "pivot": step.pivot,
        **{
            str(operation): [side.command.type, side.success.type, side.failure and side.failure.type]
            for operation, side in ((Operation.ACTION, step), (Operation.UNDO, step.undo))
            if side is not None
        },
    }
