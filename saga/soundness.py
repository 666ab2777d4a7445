"""What a saga definition must be before any saga runs on it: checked when it is built, so at import."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saga.definition import Definition, Step

# A shorter deadline would pass in the time that it takes to notice that a relay stands still.
DEADLINE_SECONDS_MIN = 15.0


def problems(definition: "Definition") -> list[str]:
    """Everything that is wrong with the definition, in words; empty when it is sound."""
    if not definition.steps or not all(definition.groups):
        return ["a saga and each of its groups need a step"]
    return [
        *_names(definition),
        *_answers(definition),
        *_pivot(definition),
        *(problem for group in definition.groups for step in group for problem in _step(step)),
    ]


def _names(definition: "Definition") -> Iterator[str]:
    steps = [step for group in definition.groups for step in group]
    for name, count in Counter(step.name for step in steps).items():
        if count > 1:
            yield f"step {name} stands {count} times, so an answer could be to either"
    commands = [step.command for step in steps] + [step.undo.command for step in steps if step.undo]
    for kind, count in Counter(command.type for command in commands).items():
        if count > 1:
            yield f"command {kind} stands for {count} things"


def _answers(definition: "Definition") -> Iterator[str]:
    for kind, count in Counter(reply.type for reply, _ in definition.answers()).items():
        if count > 1:
            yield f"reply {kind} would mean {count} things"


def _pivot(definition: "Definition") -> Iterator[str]:
    """Before and at the pivot everything can be undone, after it nothing needs to be."""
    pivots = [place for place, group in enumerate(definition.groups) for step in group if step.pivot]
    if len(pivots) != 1:
        yield f"exactly one step is the pivot, not {len(pivots)}"
        return
    for place, group in enumerate(definition.groups):
        for step in group:
            if place <= pivots[0] and step.undo is None:
                yield f"step {step.name} comes before the pivot's commit and has no compensation"
            if place > pivots[0] and step.undo is not None:
                yield f"step {step.name} comes after the pivot: its compensation is never reached"
            if place > pivots[0] and step.failure and not step.retry.attempts:
                yield f"step {step.name} comes after the pivot and may fail: it needs to be tried again"


def _step(step: "Step") -> Iterator[str]:
    if step.command.compensation:
        yield f"command {step.command.type} of step {step.name} undoes, it does not act"
    if step.retry.attempts and step.failure is None:
        yield f"step {step.name} is tried again, but no reply says that it failed"
    if step.undo is not None:
        if step.undo.command.step != step.name:
            yield f"{step.undo.command.type} undoes step {step.undo.command.step}, not {step.name}"
        if not step.undo.command.compensation:
            yield f"{step.undo.command.type} is no compensation: it would not pass a held key"
        if step.undo.retry.attempts and step.undo.failure is None:
            yield f"the compensation of {step.name} is tried again, but no reply says that it failed"
    for side in (step, step.undo):
        if side is not None and not DEADLINE_SECONDS_MIN <= side.deadline_seconds < float("inf"):
            yield f"{side.command.type} needs a deadline of {DEADLINE_SECONDS_MIN:g} s or more"
