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


def slot_wal_keep_mb(free: int) -> int:
    """How much WAL a replication slot may hold back: a quarter of what is free, within bounds.

    Without a bound a relay that is down for long would fill the disk and take the database along.
    """
    return max(KEEP_MB_MIN, min(KEEP_MB_MAX, free // 4))


def check(folder: Path, mb_min: int = START_MB_MIN) -> None:
    free = free_mb(folder)
    if free < mb_min:
        raise NotReady(f"only {free} MB are free at {folder}, {mb_min} MB are needed: make room first")


def warning(folder: Path, mb_min: int = WARN_MB_MIN) -> str | None:
    free = free_mb(folder)
    return f"only {free} MB of disk are free at {folder}" if free < mb_min else None
