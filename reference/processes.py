"""Our own processes, as the topology starts them: what each runs, and where it begins."""

from dataclasses import dataclass
from pathlib import Path

from stack import topology
from stack.layout import Layout
from stack.node import Node

_LAYOUT = Layout(state=Path("var"), python="python")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of ours: `python -m MODULE`; or, where gunicorn runs it, its configuration and function."""

    name: str
    module: str
    configuration: str = ""
    function: str = ""


def _process(node: Node) -> Process | None:
    """`python -m MODULE`, or gunicorn with `MODULE:FUNCTION()`; None for what reads nothing."""
    _, _, module, *arguments = node.command
    if module == "gunicorn":
        _, configuration, application = arguments
        module, _, call = application.partition(":")
        return Process(node.name, module, configuration, call.removesuffix("()"))
    return Process(node.name, module) if node.environment else None


NODES = {node.name: node for node in topology.nodes(_LAYOUT) if node.command[0] == _LAYOUT.python}
PROCESSES = tuple(process for node in NODES.values() if (process := _process(node)))
