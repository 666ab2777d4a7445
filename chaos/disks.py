"""Small disks of their own for what writes, so that one can be full: file systems in memory, for root alone.

They are mounted in a mount namespace of this process's own, which its children share: nobody else sees them,
and the kernel lets go of them with the last process, however it ends. A disk is full when it is made as small
as what lies on it, which takes no memory.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from chaos.faults import Act, Effect, Ground, answers, is_gone
from chaos.sessions import autocommit
from chaos.targets import NothingToHit, Target
from chaos.zombie import ADMIN_DATABASE
from runtime.errors import WaitedTooLong
from runtime.waiting import until

DISKS = "disks"
_CHECKPOINT = text("CHECKPOINT")
NO_ROOM = os.strerror(errno.ENOSPC).encode()
# What is written in between makes it too small to become that small.
SHRINK_TRIES_MAX = 100

# From <sched.h> and <sys/mount.h>.
_CLONE_NEWNS, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x20000, 32, 4096, 0x4000, 1 << 18, 2
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Disk:
    """A small disk, and the log of the process that writes there, which lies elsewhere."""

    place: Path
    log: Path

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.place).free

    def told(self) -> int:
        """How often its process has said that there is no room."""
        return self.log.read_bytes().count(NO_ROOM) if self.log.exists() else 0


def leave_others_mounts() -> bool:
    """From now on this thread and all it starts mount for themselves; False where it may not."""
    if _libc.unshare(_CLONE_NEWNS):
        return False
    try:
        _mount("none", Path("/"), flags=_MS_REC | _MS_PRIVATE)
        with TemporaryDirectory() as folder, small_disk(Path(folder), 1):
            return True
    except OSError:
        return False


@contextmanager
def small_disk(place: Path, megabytes: int, *, but: Path | None = None) -> Iterator[None]:
    """A file system of its own at a folder, made where it is missing; `but` is a folder in it that stays.

    Raises OSError.
    """
    for folder in (place, *([but] if but else ())):
        folder.mkdir(parents=True, exist_ok=True)
    beneath = os.open(but, os.O_PATH) if but else None
    try:
        _mount("tmpfs", place, options=f"size={megabytes}m,mode=0755")
        try:
            if but:
                but.mkdir(parents=True)
                _mount(f"/proc/self/fd/{beneath}", but, flags=_MS_BIND)
            yield
        finally:
            _libc.umount2(os.fsencode(place), _MNT_DETACH)
    finally:
        if beneath is not None:
            os.close(beneath)


def _mount(what: str, place: Path, *, flags: int = 0, options: str = "") -> None:
    """Raises OSError."""
    if _libc.mount(what.encode(), os.fsencode(place), b"tmpfs", ctypes.c_ulong(flags), options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(place))


def are_small(disks: Iterable[Disk]) -> bool:
    """Whether each is a file system of its own, and no disk of others."""
    return all(disk.place.is_mount() for disk in disks)


@dataclass(frozen=True, slots=True)
class _Full:
    """A disk that was made small, and how things were before."""

    target: Target
    disk: Disk
    size: int
    process: Any
    told: int

    def effect(self) -> Effect:
        """Only what its process has said or died of: a full disk to which nobody writes proves nothing."""
        told = self.disk.told() - self.told
        ended = self.process is not None and is_gone(self.process)
        return {"no_room_told": told, "ended": ended} if told > 0 or ended else {}


def _fill(ground: Ground, targets: Sequence[Target]) -> list[_Full]:
    disks: Mapping[str, Disk] = ground.tools.get(DISKS, {})
    full: list[_Full] = []
    try:
        for target in targets:
            if disk := disks.get(target.name):
                size = shutil.disk_usage(disk.place).total
                full.append(_Full(target, disk, size, target.find(), disk.told()))
                _shrink(disk)
    except BaseException:
        _grow(full)
        raise
    if not full:
        raise NothingToHit("it has no disk of its own")
    return full


def _fill_and_checkpoint(ground: Ground, targets: Sequence[Target]) -> list[_Full]:
    """Else only statements fail that need room: a database that cannot keep its place gives up as a whole."""
    url = ground.tools.get(ADMIN_DATABASE)
    if url is None:
        raise NothingToHit("no database account may make a checkpoint")
    full = _fill(ground, targets)
    try:
        with suppress(SQLAlchemyError), autocommit(url) as connection:
            connection.execute(_CHECKPOINT)
    except BaseException:
        _grow(full)
        raise
    return full


def _shrink(disk: Disk) -> None:
    """To what is used. Raises OSError."""
    for number in reversed(range(SHRINK_TRIES_MAX)):
        try:
            _resize(disk.place, max(1, shutil.disk_usage(disk.place).used))
        except OSError as error:
            if error.errno != errno.EINVAL or not number:
                raise
        else:
            return


def _resize(place: Path, size: int) -> None:
    _mount("tmpfs", place, flags=_MS_REMOUNT, options=f"size={size}")


def _grow(full: Iterable[_Full]) -> None:
    for each in full:
        _resize(each.disk.place, each.size)


def _make_room(_ground: Ground, full: list[_Full], within_seconds: float) -> Effect:
    left = {each.target.name: each.disk.free for each in full}
    _grow(full)
    with suppress(WaitedTooLong):
        until(
            lambda: all(_is_there(each.target) for each in full),
            within_seconds=within_seconds,
            what="what had no room to be there",
        )
    seen = {each.target.name: effect for each in full if (effect := each.effect())}
    there = [each.target.name for each in full if _is_there(each.target)]
    return {**seen, "bytes_left": left, "there_again": there} if seen else {}


def _is_there(target: Target) -> bool:
    return target.find() is not None and answers(target.port)


FULL = Act("disk full", _fill, _make_room)
FULL_AT_CHECKPOINT = Act("disk full at a checkpoint", _fill_and_checkpoint, _make_room)
