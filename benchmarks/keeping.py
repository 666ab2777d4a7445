"""What is kept of a benchmark: its figures, what they were measured on, and how they are found again."""

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from benchmarks.system import RESULTS, Figures, spread

_SPREAD = {"min", "median", "max"}


def measured_on(*packages: str) -> Figures:
    """The machine, its cores, Python's version, and those of packages by the names they are installed by."""
    return {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def spreads(rounds: Sequence[Mapping[str, Any]]) -> Figures:
    """Of each figure that all rounds have, at any depth: the least, the median and the most."""
    names = [name for name in rounds[0] if all(name in each for each in rounds)]
    return {name: _spread([each[name] for each in rounds]) for name in names}


def _spread(values: Sequence[Any]) -> Mapping[str, Any]:
    return spreads(values) if isinstance(values[0], Mapping) else spread(values)


def keep(name: str, figures: Figures) -> None:
    """Write them to `results/`, over those of the last time, and show them."""
    RESULTS.mkdir(exist_ok=True)
    told = json.dumps(figures, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(told)
    sys.stdout.write(told)


def kept(name: str) -> Figures:
    """What a benchmark has kept; empty where that is nothing."""
    path = RESULTS / f"{name}.json"
    found: Figures = json.loads(path.read_text()) if path.exists() else {}
    return found


def measured(figures: Any, name: str = "") -> Iterator[tuple[str, dict[str, float]]]:
    """Everything that has a least, a median and a most, by its path in the file."""
    if not isinstance(figures, dict):
        return
    if set(figures) >= _SPREAD:
        yield name, figures
        return
    for key, inner in figures.items():
        # The parts of a sum are summed in the figure beside them.
        if key not in {"rounds", "turns", "cpu_ms_by_component", "cpu_us_by_component"}:
            yield from measured(inner, f"{name}.{key}" if name else str(key))
