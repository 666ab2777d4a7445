"""What `./run chaos` has left of its runs, the newest first."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULT = "result.json"
RUNS_MAX = 20
FOLDERS_MAX = 2_000
BYTES_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """One run, by the name of its folder."""

    name: str
    told: dict[str, Any]


def newest(folder: Path) -> list[Run]:
    """Those that can be read; none where there is no such folder."""
    try:
        found = [path for path, _ in zip(folder.iterdir(), range(FOLDERS_MAX), strict=False)]
    except OSError:
        return []
    found.sort(key=_changed_at, reverse=True)
    runs = (_run(path) for path in found[:RUNS_MAX])
    return [run for run in runs if run]


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """What one run has told; None where there is none of that name."""
    try:
        path = next((path for path in folder.iterdir() if path.name == name), None)
    except OSError:
        return None
    run = _run(path) if path else None
    return run.told if run else None


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # it has gone meanwhile, or leads nowhere
        return 0.0


def _run(path: Path) -> Run | None:
    try:
        text = (path / RESULT).read_text()[:BYTES_MAX]
        told = json.loads(text)
    except (OSError, ValueError):
        return None
    return Run(path.name, told) if isinstance(told, dict) and "verdict" in told else None
