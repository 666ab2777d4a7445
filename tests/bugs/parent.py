"""The parent of a stack with a bug in it: `python -m tests.bugs.parent BUG NODES supervise [OPTION ...]`.

The chosen nodes are started through tests/bugs/launch.py, all others as ever.
"""

import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Self

from stack import cli, topology
from stack.launch import Wish
from stack.node import Node


@dataclass(frozen=True, slots=True)
class BuggyWish(Wish):
    """A stack in whose `chosen` nodes there is a bug, or several of them (`a+b`)."""

    bug: str = "nothing"
    chosen: tuple[str, ...] = ()

    @classmethod
    def of(cls, wish: Wish, bug: str, chosen: tuple[str, ...]) -> Self:
        return cls(**asdict(wish), bug=bug, chosen=chosen)

    def parent_command(self) -> list[str]:
        python, *rest = Wish.parent_command(self)
        options = rest[rest.index("supervise") :]
        return [python, "-P", "-m", "tests.bugs.parent", self.bug, ",".join(self.chosen), *options]


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


def main() -> None:
    bug, chosen, *options = sys.argv[1:]
    healthy = topology.nodes
    topology.nodes = lambda layout: tuple(seeded(healthy(layout), bug, chosen.split(",")))
    sys.argv = ["stack", *options]
    cli.main()


if __name__ == "__main__":
    main()
