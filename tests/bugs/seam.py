"""Where a bug gets into a stack: the chosen nodes are started through the launcher, all others as ever."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from stack.node import Node


def seeded(nodes: Iterable[Node], bug: str, chosen: Collection[str]) -> Iterator[Node]:
    """`nodes`, those `chosen` by name with `bug` in them; they must run a Python module."""
    for node in nodes:
        if node.name in chosen:
            python, flag, *rest = node.command
            if flag != "-m":
                raise ValueError(f"{node.name} runs no module: {node.command}")
            yield replace(node, command=(python, "-m", "tests.bugs.launch", bug, *rest))
        else:
            yield node
