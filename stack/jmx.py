"""Figures of the JVMs for Prometheus: an agent in each, only where they are wished for.

It costs each JVM memory and a part of its start; see docs/decisions/0018-metrics.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from connect import jars
from stack.layout import BROKERS, CONNECT_WORKERS, ROOT, Layout

RULES = ROOT / "monitor" / "jmx"


def added(layout: Layout) -> Layout:
    """The layout with an agent in each of its JVMs."""
    flags = {name: (*_reading(layout.jvm_flags.get(name, ())), agent) for name, agent in _agents(layout)}
    return replace(layout, jvm_flags=flags)


def _reading(flags: Iterable[str]) -> Iterator[str]:
    """Without the one that writes an archive of classes: a JVM with an agent writes none."""
    return (flag for flag in flags if not flag.startswith("-XX:ArchiveClassesAtExit"))


def _agents(layout: Layout) -> Iterator[tuple[str, str]]:
    """For each JVM, by name: the agent, where it listens, and what it tells."""
    agent = jars.agent(layout.cache)
    for names, rules in ((BROKERS, "broker.yml"), (CONNECT_WORKERS, "connect.yml")):
        for name in names:
            yield name, f"-javaagent:{agent}={layout.address(f'{name}-jmx')}:{RULES / rules}"
