"""What is kept of a benchmark: its figures, and what they were measured on."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from benchmarks.system import RESULTS, Figures, spread


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
