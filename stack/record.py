"""What the stack's parent says about itself, in one file, and the lock that there is one parent a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ValidationError

from runtime.errors import WaitedTooLong
from runtime.waiting import until
from stack.errors import StackError
from stack.layout import DEADLINE_SECONDS
from stack.node import Kind

# Whoever only asks whether a parent lives holds the lock for a moment too.
LOCK_SECONDS_MAX = 1


class State(StrEnum):
    """Where a node is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    NOT_READY = "not ready"  # seen from outside: it runs, and does not answer as it should
    RESTARTING = "restarting"
    DONE = "done"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Phase(StrEnum):
    """Where the whole stack is in its life."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


class NodeRecord(BaseModel):
    """One node, as it is now."""

    name: str
    kind: Kind
    state: State
    pid: int | None
    address: str | None
    restarts: int
    seconds: float | None  # from the stack's start until it was ready first


class StackRecord(BaseModel):
    """The whole stack, as it is now."""

    parent: int
    phase: Phase
    port_offset: int
    deadline_seconds: int = DEADLINE_SECONDS  # the running processes', for commands that handle messages too
    failed: str | None = None
    warning: str | None = None
    only: tuple[str, ...] = ()  # a part of a stack, for as long as a command needs it
    nodes: list[NodeRecord] = []

    @property
    def processes(self) -> list[NodeRecord]:
        return [node for node in self.nodes if node.kind is not Kind.JOB]


def write(state: Path, record: StackRecord) -> None:
    """Replace the record in one step: a reader sees the old one or the new one."""
    unfinished = state / "state.json.new"
    unfinished.write_text(record.model_dump_json(indent=1))
    unfinished.replace(state / "state.json")


def read(state: Path) -> StackRecord | None:
    """The last record, whether or not its parent still lives."""
    try:
        return StackRecord.model_validate_json((state / "state.json").read_text())
    except (OSError, ValidationError):
        return None


def read_running(state: Path) -> StackRecord | None:
    """The record of the parent that lives now."""
    parent = running_parent(state)
    record = read(state)
    return record if parent and record and record.parent == parent else None


def running_parent(state: Path) -> int | None:
    """The process id of the parent that holds the folder's lock."""
    try:
        with _lock_file(state).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


@contextmanager
def only_parent(state: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it however the process ends."""
    state.mkdir(parents=True, exist_ok=True)
    with _lock_file(state).open("a+") as file:
        try:
            until(
                lambda: _is_locked(file),
                within_seconds=LOCK_SECONDS_MAX,
                what="the lock",
                retry_on=(BlockingIOError,),
            )
        except WaitedTooLong as error:
            raise StackError(f"another stack runs in {state}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        with suppress(OSError):
            file.truncate(0)


def _is_locked(file: TextIO) -> bool:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def _lock_file(state: Path) -> Path:
    return state / "lock"
