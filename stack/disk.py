"""Free disk: what the stack refuses to start without, and how much of it a stuck relay may hold."""

import shutil
from pathlib import Path

from stack.errors import NotReady

MB = 1024 * 1024
START_MB_MIN = 3 * 1024
WARN_MB_MIN = 2 * 1024
KEEP_MB_MIN, KEEP_MB_MAX = 1024, 64 * 1024


def free_mb(folder: Path) -> int:
    return shutil.disk_usage(folder).free // MB


def wal_mb(folder: Path) -> int:
    """What the log in `pg_wal` takes up by now; 0 before there is one."""
    return sum(_size(segment) for segment in folder.glob("[0-9A-F]" * 24)) // MB


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # Postgres has taken it away meanwhile
        return 0


def slot_wal_keep_mb(free: int, taken: int) -> int:
    """How much WAL a replication slot may hold back: a quarter of what is free but for WAL, within bounds.

    Without a bound a relay that is down for long would fill the disk and take the database along. What WAL
    has `taken` counts as free: else a start would allow a relay that is behind less than before, and its slot
    might be lost by it.
    """
    return max(KEEP_MB_MIN, min(KEEP_MB_MAX, (free + taken) // 4))


def check(folder: Path, mb_min: int = START_MB_MIN) -> None:
    free = free_mb(folder)
    if free < mb_min:
        raise NotReady(f"only {free} MB are free at {folder}, {mb_min} MB are needed: make room first")


def warning(folder: Path, mb_min: int = WARN_MB_MIN) -> str | None:
    free = free_mb(folder)
    return f"only {free} MB of disk are free at {folder}" if free < mb_min else None
