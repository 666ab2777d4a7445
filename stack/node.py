"""What the stack knows of one process or one-shot job: data alone, so that it can be compared and shown."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from stack.ports import HOST


class Kind(StrEnum):
    """What a node is."""

    DATABASE = "database"
    BROKER = "broker"
    CONNECT = "connect"
    GATEWAY = "gateway"
    API = "api"
    WORKER = "worker"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    DASHBOARD = "dashboard"
    MONITOR = "monitor"
    PROXY = "proxy"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Listens:
    """Ready when the node's port takes connections."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Ready when this path answers 200."""

    path: str


@dataclass(frozen=True, slots=True)
class Succeeds:
    """Ready when this command exits with 0."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ends:
    """A job: ready when it has ended well."""


Readiness = Listens | Answers | Succeeds | Ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One process or one-shot job of the stack."""

    name: str
    kind: Kind
    command: tuple[str, ...]
    ready: Readiness
    port: int | None = None
    after: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    # Variables whose values are read from files when the process starts: an earlier job makes the files.
    secrets: Mapping[str, Path] = field(default_factory=dict)
    folder: Path | None = None
    account: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    # A process that takes longer to become ready, or a job to end, is stopped and started again.
    ready_seconds: float = 120
    stop_seconds: float = 10
    # After its end it is started again no sooner than that.
    rest_seconds: float = 0
    # What the kernel sends when the stack's parent is gone.
    orphan_signal: signal.Signals = signal.SIGKILL

    @property
    def address(self) -> str | None:
        return f"{HOST}:{self.port}" if self.port else None
