"""Small disks of their own for what writes, so that one can be full: file systems in memory, for root alone.

They are mounted in a mount namespace of this process's own, which its children share: nobody else sees them,
and the kernel lets go of them with the last process, however it ends.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chaos.faults import Act, Effect, Ground, answers, is_gone
from chaos.targets import NothingToHit, Target
from runtime.errors import WaitedTooLong
from runtime.waiting import until

DISKS = "disks"
BALLAST = "ballast"
CHUNK_BYTES = 1 << 20
# What a full disk has left: less than anything that is written to it.
FULL_BYTES_MAX = 64 * 1024

# From <sched.h> and <sys/mount.h>.
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
_libc = ctypes.CDLL(None, use_errno=True)


def leave_others_mounts() -> bool:
    """From now on this thread and all it starts mount for themselves; False where it may not."""
    return not _libc.unshare(_CLONE_NEWNS) and not _libc.mount(
        b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None
    )


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own at a folder, which is made where it is missing. Raises OSError."""
    place.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0755".encode()
    if _libc.mount(b"tmpfs", str(place).encode(), b"tmpfs", ctypes.c_ulong(0), options):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(place))
    try:
        yield
    finally:
        _libc.umount2(str(place).encode(), _MNT_DETACH)


def are_small(places: Mapping[str, Path]) -> bool:
    """Whether each place is the top of a file system, and no disk of others."""
    return all(place.is_mount() for place in places.values())


def _fill(ground: Ground, targets: Sequence[Target]) -> tuple[Sequence[Target], dict[str, Any], list[Path]]:
    disks: Mapping[str, Path] = ground.tools.get(DISKS, {})
    places = [disks[target.name] for target in targets if target.name in disks]
    if not places:
        raise NothingToHit("it has no disk of its own")
    before = {target.name: target.find() for target in targets}
    ballast = [place / BALLAST for place in places]
    try:
        for path in ballast:
            _write_until_full(path)
    except BaseException:
        _remove(ballast)
        raise
    return targets, before, ballast


def _write_until_full(path: Path) -> None:
    """By chunks, then by less and less: the last bytes count."""
    size = CHUNK_BYTES
    with path.open("wb", buffering=0) as file:
        while size >= 1:
            try:
                file.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 16


def _make_room(
    _ground: Ground, kept: tuple[Sequence[Target], dict[str, Any], list[Path]], within_seconds: float
) -> Effect:
    targets, before, ballast = kept
    full = [str(p.parent.name) for p in ballast if shutil.disk_usage(p.parent).free <= FULL_BYTES_MAX]
    megabytes = sum(path.stat().st_size for path in ballast) // CHUNK_BYTES
    _remove(ballast)
    with suppress(WaitedTooLong):
        until(
            lambda: all(_is_there(target) for target in targets),
            within_seconds=within_seconds,
            what="what had no room to be there",
        )
    ended = [name for name, process in before.items() if process and is_gone(process)]
    there = [target.name for target in targets if _is_there(target)]
    return {"full": full, "megabytes": megabytes, "ended": ended, "there_again": there} if full else {}


def _remove(ballast: Sequence[Path]) -> None:
    for path in ballast:
        path.unlink(missing_ok=True)


def _is_there(target: Target) -> bool:
    return target.find() is not None and answers(target.port)


FULL = Act("disk full", _fill, _make_room)
