"""CPU seconds of every component of a stack, from the kernel's own counts."""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

import psutil

from stack import record
from stack.layout import Layout

# A node that is gone takes its share along, so what is measured must not restart meanwhile.
Seconds = Mapping[str, float]


def spent(layout: Layout, more: Mapping[str, int] = MappingProxyType({})) -> Seconds:
    """By component since each began: brokers together, services by process, Postgres with its sessions.

    `more` are pids of what runs beside the stack.
    """
    now = record.read_running(layout.state)
    pids = {node.name: node.pid for node in now.processes} if now else {}
    seconds: dict[str, float] = defaultdict(float)
    for name, pid in {**pids, **more}.items():
        if pid is not None:
            seconds[component(name)] += _of(psutil.Process(pid))
    seconds["this program"] = _own(psutil.Process())
    return seconds


def between(before: Seconds, after: Seconds) -> dict[str, float]:
    """What was spent, most first."""
    differences = {name: round(after[name] - before.get(name, 0.0), 2) for name in after}
    return dict(sorted(differences.items(), key=lambda item: -item[1]))


def component(node: str) -> str:
    """What a node counts as: brokers are one, and so are the workers of Connect."""
    return node.rstrip("-0123456789") if node.startswith(("broker", "connect-1", "connect-2")) else node


def _of(process: psutil.Process) -> float:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(map(_own, family))


def _own(process: psutil.Process) -> float:
    """With that of its children that have ended: Postgres has some all the time."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
