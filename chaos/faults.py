"""What faults are: what they work on, what they leave behind, and the proof that they were done.

A fault strikes and leaves a blow; a blow is healed once, and tells its effect: what was seen to happen, not
what was meant to. An empty effect says that nothing was seen, and then nothing is known.
"""

import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import psutil

from chaos.cluster import Cluster
from chaos.guard import Guard
from chaos.targets import KafkaNames, NothingToHit, Target

Effect = Mapping[str, Any]
PROBE_SECONDS_MAX = 1.0


@dataclass(slots=True)
class Ground:
    """What faults work on and with. `tools` are what a scenario of its own brings along, by name."""

    targets: Sequence[Target]
    bootstrap_servers: str = ""
    names: KafkaNames = field(default_factory=KafkaNames)
    network: object | None = None
    guard: Guard | None = None
    tools: Mapping[str, Any] = field(default_factory=dict)

    def cluster(self) -> Cluster:
        return Cluster(self.bootstrap_servers)


class Blow:
    """What a fault has left behind."""

    def look(self) -> None:
        """Called now and then while the blow lasts: a chance to see what comes of it."""

    def heal(self, within_seconds: float) -> Effect:
        """Undo it, wait for what has to come back, and tell what was seen. Safe to repeat."""
        raise NotImplementedError


class Fault(Protocol):
    """Something that can be done to targets."""

    @property
    def name(self) -> str: ...

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow: ...


@dataclass(frozen=True, slots=True)
class Pause:
    """SIGSTOP, and SIGCONT when it is healed: a process that is neither dead nor alive."""

    name: str = "pause"

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        blow = Paused(ground.guard)
        try:
            for target in targets:
                if process := target.find():
                    blow.stop(target.name, process)
        except BaseException:
            blow.heal(0)
            raise
        if not blow.stopped:
            raise NothingToHit("none of them runs")
        return blow


@dataclass(slots=True)
class Paused(Blow):
    """Processes that stand still, with their children."""

    guard: Guard | None = None
    stopped: dict[str, list[psutil.Process]] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def stop(self, name: str, process: psutil.Process) -> None:
        self.stopped[name] = tree(process)
        if self.guard:
            self.guard.watch(self.stopped[name])
        send(self.stopped[name], signal.SIGSTOP)

    def look(self) -> None:
        for name, processes in self.stopped.items():
            if name not in self.seen and all(is_stopped(process) for process in processes):
                self.seen[name] = "T"

    def heal(self, within_seconds: float) -> Effect:
        del within_seconds  # It goes on at once.
        self.look()
        for processes in self.stopped.values():
            send(reversed(processes), signal.SIGCONT)
        seconds = round(time.monotonic() - self.began, 1)
        return {"state": self.seen, "seconds": seconds} if self.seen else {}


@dataclass(frozen=True, slots=True)
class Act:
    """A fault made of two functions: one that does it, and one that undoes it and tells the effect."""

    name: str
    do: Callable[[Ground, Sequence[Target]], Any]
    undo: Callable[[Ground, Any, float], Effect]

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        return Done(ground, self.undo, self.do(ground, targets))


@dataclass(slots=True)
class Done(Blow):
    """What an act has to remember until it is undone."""

    ground: Ground
    undo: Callable[[Ground, Any, float], Effect]
    kept: Any
    effect: Effect | None = None

    def heal(self, within_seconds: float) -> Effect:
        if self.effect is None:
            self.effect = self.undo(self.ground, self.kept, within_seconds)
        return self.effect


def tree(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it has started, itself first."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def send(processes: Any, number: signal.Signals) -> None:
    """To those that still are who they were: psutil compares start times."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_stopped(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def answers(port: int | None) -> bool:
    """Whether something takes connections there; a target without a port is taken at its pid."""
    if port is None:
        return True
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PROBE_SECONDS_MAX).close()
    except OSError:
        return False
    return True
