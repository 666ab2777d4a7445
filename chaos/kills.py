"""Processes that end, once or again and again, and the proof of it: another pid where the old one was."""

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from chaos.cluster import Cluster
from chaos.faults import Blow, Effect, Ground, answers, is_gone, send, tree
from chaos.targets import NothingToHit, Target
from runtime.errors import WaitedTooLong
from runtime.waiting import until


@dataclass(frozen=True, slots=True)
class Kill:
    """A signal that ends processes; they are started again by whoever keeps them."""

    number: signal.Signals = signal.SIGKILL

    @property
    def name(self) -> str:
        return "kill -9" if self.number == signal.SIGKILL else self.number.name

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        """All at once: every process is known before the first is signalled."""
        found = {target.name: process for target in targets if (process := target.find())}
        if not found:
            raise NothingToHit("none of them runs")
        has_brokers = any(target.node_id is not None for target in targets)
        blow = Killed(targets, found, self.name, ground.cluster() if has_brokers else None)
        # Those who are only asked to end see to their children themselves.
        whole = self.number == signal.SIGKILL
        for each in [tree(process) if whole else [process] for process in found.values()]:
            send(each, self.number)
        return blow


@dataclass(slots=True)
class Killed(Blow):
    """Processes that were signalled to end, as they were before."""

    targets: Sequence[Target]
    before: Mapping[str, psutil.Process]
    signal: str
    cluster: Cluster | None
    shrunk: int = 0
    began: float = field(default_factory=time.monotonic)

    def look(self) -> None:
        if self.cluster:
            self.shrunk = max(self.shrunk, self.cluster.shrunk() or 0)

    def heal(self, within_seconds: float) -> Effect:
        hit = [target for target in self.targets if target.name in self.before]
        with suppress(WaitedTooLong):
            until(
                lambda: all(self._is_back(target) for target in hit),
                within_seconds=within_seconds,
                what="what was killed to be back",
            )
        ended = [name for name, process in self.before.items() if is_gone(process)]
        if not ended:
            return {}
        after = {target.name: target.find() for target in hit}
        pids = {n: [self.before[n].pid, now.pid if (now := after[n]) else None] for n in ended}
        back = all(self._is_back(target) for target in hit)
        seconds = round(time.monotonic() - self.began, 1)
        seen: dict[str, Any] = {"signal": self.signal, "ended": ended, "pids": pids}
        seen |= {"back_after_seconds": seconds} if back else {"not_back_after_seconds": seconds}
        return seen | ({"partitions_with_shrunk_isr": self.shrunk} if self.shrunk else {})

    def _is_back(self, target: Target) -> bool:
        """Another process is there and alive: one that was killed since may not be reaped yet."""
        now = target.find()
        is_another = now is not None and now != self.before[target.name] and not is_gone(now)
        return is_another and answers(target.port)


@dataclass(frozen=True, slots=True)
class Down:
    """kill -9, again and again for as long as it lasts: whoever starts them again starts them in vain."""

    name: str = "kept down"

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        return KeptDown(Kill().strike(ground, targets), targets)


@dataclass(slots=True)
class KeptDown(Blow):
    """Processes that are killed whenever they are there."""

    killed: Blow
    targets: Sequence[Target]
    kills: int = 0
    began: float = field(default_factory=time.monotonic)
    over: float | None = None

    def look(self) -> None:
        self.killed.look()
        for target in self.targets:
            if process := target.find():
                send(tree(process), signal.SIGKILL)
                self.kills += 1

    def heal(self, within_seconds: float) -> Effect:
        self.over = self.over or time.monotonic()
        seen = self.killed.heal(within_seconds)
        down = {"down_seconds": round(self.over - self.began, 1), "killed_again": self.kills}
        return {**seen, **down} if seen else {}
