"""Logs: one file a process, bounded in size.

A process writes to its file itself, in append mode, so no one can block it. Rotation copies the file
and then empties it: what is written between the two is the price, a few lines at most.
"""

import shutil
from pathlib import Path

BYTES_MAX = 20 * 1024 * 1024
GENERATIONS = 3


def rotate(folder: Path, bytes_max: int = BYTES_MAX) -> None:
    for path in folder.glob("*.log"):
        if path.stat().st_size > bytes_max:
            _rotate(path)


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log, from no more than its last megabyte."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1024 * 1024))
        return file.read().decode(errors="replace").splitlines()[-lines:] if lines else []


def _rotate(path: Path) -> None:
    for number in range(GENERATIONS - 1, 0, -1):
        older = path.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(path.with_suffix(f".log.{number + 1}"))
    shutil.copyfile(path, path.with_suffix(".log.1"))
    with path.open("r+b") as file:
        file.truncate(0)
