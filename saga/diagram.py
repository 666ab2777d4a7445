"""A definition as a picture: mermaid's state diagram."""

from collections.abc import Iterable, Iterator

from saga.definition import Definition, Step, Undo


def mermaid(definition: Definition) -> str:
    """The way down, the way back, and where each answer leads."""
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in _lines(definition))])


def _lines(definition: Definition) -> Iterator[str]:
    groups = definition.groups
    yield f"[*] --> {_name(groups[0])}"
    for place, group in enumerate(groups):
        after = _name(groups[place + 1]) if place + 1 < len(groups) else "COMPLETED"
        good = " & ".join(step.success.type for step in group)
        yield f"{_name(group)} --> {after} : {good}"
        if _undone(group):
            # Where one of several says no, the others may have been done.
            turned = f"undo_{_name(group)}" if len(group) > 1 else _back(groups, place)
            yield f"{_name(group)} --> {turned} : {_bad(group)}"
            yield f"{_name(group)} --> undo_{_name(group)} : expired or cancelled"
            undone = " & ".join(step.undo.success.type for step in group if step.undo)
            yield f"undo_{_name(group)} --> {_back(groups, place)} : {undone}"
            yield f"undo_{_name(group)} --> NEEDS_ATTENTION : {_stuck(step.undo for step in group)}"
        else:
            yield f"{_name(group)} --> NEEDS_ATTENTION : {_stuck(group)}"
    yield "COMPLETED --> [*]"
    yield "COMPENSATED --> [*]"


def _back(groups: tuple[tuple[Step, ...], ...], place: int) -> str:
    """Where the way back leads from a group that has nothing (more) to undo."""
    return f"undo_{_name(groups[place - 1])}" if place else "COMPENSATED"


def _bad(group: tuple[Step, ...]) -> str:
    failures = " or ".join(step.failure.type for step in group if step.failure)
    return failures or "refused"


def _stuck(sides: Iterable[Step | Undo | None]) -> str:
    """How a step from which there is no way back comes to need a person."""
    may_fail = any(side and side.failure for side in sides)
    return "fails, or is not answered in time" if may_fail else "is not answered in time"


def _undone(group: tuple[Step, ...]) -> bool:
    return any(step.undo for step in group)


def _name(group: tuple[Step, ...]) -> str:
    return "_and_".join(step.name for step in group)
