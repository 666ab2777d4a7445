"""The table of the saga, and its picture, for each version that an order may still be under way on."""

from collections.abc import Iterator

from order.saga import Patience, definitions
from reference.markdown import code, page, table
from saga.definition import Definition, Step, Undo
from saga.diagram import mermaid

_HEAD = (
    "step",
    "side",
    "command",
    "succeeds with",
    "fails with",
    "answer within",
    "refused, tried again",
    "pivot",
)


def document() -> str:
    """The page of the saga."""
    newest_first = sorted(definitions(Patience()), key=lambda each: -each.version)
    return page(
        "The saga of an order",
        "It stands in [order/saga.py](../../order/saga.py), and is checked when a process starts"
        " ([saga/soundness.py](../../saga/soundness.py)). New orders begin on the newest version; one"
        " that is under way ends on the version it began with. Deadlines are by default, and go by the"
        " database's clock ([settings](settings.md): `ORDER_DEADLINE_SECONDS`,"
        " `ORDER_UNDO_DEADLINE_SECONDS`).",
        *(part for definition in newest_first for part in _section(definition)),
    )


def _section(definition: Definition) -> Iterator[str]:
    yield f"## Version {definition.version}"
    together = [" and ".join(step.name for step in group) for group in definition.groups]
    yield f"Order of steps: {', then '.join(together)}."
    yield table(_HEAD, _rows(definition))
    yield f"```mermaid\n{mermaid(definition)}\n```"


def _rows(definition: Definition) -> Iterator[tuple[str, ...]]:
    for step in definition.by_name.values():
        yield step.name, "do", *_side(step), "yes" if step.pivot else ""
        if step.undo:
            yield step.name, "undo", *_side(step.undo), ""


def _side(side: Step | Undo) -> tuple[str, ...]:
    return (
        code(side.command.type),
        code(side.success.type),
        code(side.failure.type) if side.failure else "cannot fail",
        f"{side.deadline_seconds:g} s",
        f"{side.retry.attempts} times" if side.retry.attempts else "",
    )
