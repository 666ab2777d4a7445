"""How much memory each component of a stack holds, from the kernel's own counts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from benchmarks.cpu import component
from stack import record

MB = 1_000_000


def held(state: Path) -> Mapping[str, float]:
    """MB by component, most first: what is shared by several processes counts once, in equal parts (PSS)."""
    now = record.read_running(state)
    if now is None:
        return {}
    of: dict[str, float] = defaultdict(float)
    of["the stack's parent"] = _pss(psutil.Process(now.parent))
    for node in now.processes:
        if node.pid is not None:
            of[component(node.name)] += sum(map(_pss, _family(node.pid)))
    return {name: round(mb, 1) for name, mb in sorted(of.items(), key=lambda item: -item[1])}


def _family(pid: int) -> Iterator[psutil.Process]:
    try:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _pss(process: psutil.Process) -> float:
    """MB; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) * 1024 / MB for line in lines if line.startswith("Pss:")), 0.0)
