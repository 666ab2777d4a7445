"""Where a saga is: values only, and how they are kept as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from saga.definition import Operation


class SagaStatus(StrEnum):
    """Where a saga is going. NEEDS_ATTENTION: it stands, and a person decides how it goes on."""

    RUNNING = "RUNNING"
    COMPENSATING = "COMPENSATING"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"


FINAL = frozenset({SagaStatus.COMPLETED, SagaStatus.COMPENSATED})


class Progress(StrEnum):
    """Where one step is."""

    ASKED = "asked"
    REFUSED = "refused"
    RETRYING = "retrying"  # refused, and to be asked again when `due`
    DONE = "done"
    UNDOING = "undoing"
    UNDO_RETRYING = "undo-retrying"
    UNDONE = "undone"


# What waits for an answer, and to which operation.
AWAITED: Mapping[Progress, Operation] = {
    Progress.ASKED: Operation.ACTION,
    Progress.UNDOING: Operation.UNDO,
}


class Why(StrEnum):
    """Why a saga turned round."""

    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a saga turned round, and at which step (none where nobody's answer brought it about)."""

    why: Why
    step: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class StepState:
    """One step: the epoch of the last command, and how often it was tried since a person last stepped in.

    `due` is the deadline of an answer, or the time of the next try, `patience` seconds after it was set:
    where relays were silent meanwhile, so long is given once more. One that is `stuck` needs a person: it
    was refused for good, was not answered in time, or its command was parked.
    """

    progress: Progress
    epoch: int = 1
    tried: int = 1
    due: datetime | None = None
    stuck: bool = False
    patience: float | None = None


@dataclass(frozen=True, slots=True)
class SagaState:
    """One saga. Steps that were never asked for are not in `steps`."""

    saga_id: UUID
    status: SagaStatus = SagaStatus.RUNNING
    steps: Mapping[str, StepState] = field(default_factory=dict)
    cause: Cause | None = None

    @property
    def awaited(self) -> dict[str, StepState]:
        """The steps that it waits for, by what it waits for: `charge` or `undo charge`."""
        return {
            name if step.progress is Progress.ASKED else f"undo {name}": step
            for name, step in self.steps.items()
            if step.progress in AWAITED
        }

    @property
    def awaits(self) -> list[str]:
        return list(self.awaited)

    @property
    def due(self) -> datetime | None:
        """When the database's clock next has something to say; never to a saga that waits for a person."""
        if self.status not in {SagaStatus.RUNNING, SagaStatus.COMPENSATING}:
            return None
        return min((step.due for step in self.steps.values() if step.due), default=None)

    def steps_as_json(self) -> dict[str, Any]:
        return {
            name: [
                step.progress,
                step.epoch,
                step.tried,
                step.due and step.due.isoformat(),
                step.stuck,
                step.patience,
            ]
            for name, step in self.steps.items()
        }

    def cause_as_json(self) -> list[str | None] | None:
        return [self.cause.why, self.cause.step, self.cause.detail] if self.cause else None


def steps_from_json(steps: Mapping[str, Any]) -> dict[str, StepState]:
    return {
        name: StepState(
            Progress(progress), epoch, tried, datetime.fromisoformat(due) if due else None, *stuck
        )
        # Those stored by an older version do not say which step is stuck: only one could be.
        for name, (progress, epoch, tried, due, *stuck) in steps.items()
    }


def cause_from_json(cause: list[Any] | None) -> Cause | None:
    if not cause:
        return None
    why, step, detail = cause
    return Cause(Why(why), step, detail)
