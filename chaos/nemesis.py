"""Strikes as a plan says, notes every fault with its effect, and heals whatever it has done.

A plan is drawn from a seed before anything begins; who is hit is chosen at the time, from the same seed,
since only then it is known who leads what.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from confluent_kafka import KafkaException
from kafka.errors import KafkaError

from chaos.faults import Blow, Effect, Fault, Ground
from chaos.history import NEMESIS, Entry, History, Outcome
from chaos.targets import Choice, Target, choose
from runtime.waiting import until

LOOK_EVERY_SECONDS = 0.25
# Longer than a keeper's longest pause between two starts, and a JVM's start after it.
BACK_SECONDS_MAX = 90.0
# Until somebody can tell who leads: another fault of the same step may have hit whoever would have told.
CHOOSE_SECONDS_MAX = 10.0
# What follows an interrupt waits for nobody.
HURRY_SECONDS = 0.0


@dataclass(frozen=True, slots=True)
class Package:
    """One fault, and whom it hits."""

    fault: Fault
    choice: Choice

    def __str__(self) -> str:
        return f"{self.fault.name}: {self.choice}"


@dataclass(frozen=True, slots=True)
class Step:
    """A quiet time, then faults at once (or none), for so long."""

    quiet_seconds: float
    packages: tuple[Package, ...]
    hold_seconds: float


@dataclass(slots=True)
class Struck:
    """A fault that is on, with its line in the history."""

    package: Package
    targets: list[str]
    entry: Entry
    blow: Blow


class Nemesis:
    """Carries out a plan, on one thread. `tell` gets a line for people whenever something changes."""

    def __init__(
        self,
        ground: Ground,
        history: History,
        stop: threading.Event,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._ground = ground
        self._history = history
        self._stop = stop
        self._tell = tell
        self._on: list[Struck] = []
        self.faults = 0
        self.seen = 0

    @property
    def current(self) -> str:
        return ", ".join(f"{each.package.fault.name} {' '.join(each.targets)}" for each in self._on) or "none"

    def run(self, plan: Sequence[Step], seed: int, enough: Callable[[], bool] = lambda: False) -> None:
        """Every step, unless asked to stop; after `enough` no further step begins. Leaves nothing broken."""
        for number, step in enumerate(plan):
            if enough() or self._stop.wait(step.quiet_seconds) or enough():
                return
            with self._healed():
                for place, package in enumerate(step.packages):
                    self._strike(package, Random(f"{seed}/{number}/{place}"))  # noqa: S311 - a seed
                self._hold(step.hold_seconds)

    @contextmanager
    def _healed(self) -> Iterator[None]:
        """Whatever is struck inside is healed after it, also when something breaks or interrupts us."""
        try:
            yield
        finally:
            # All are healed before anything is written: a full disk must leave nobody frozen.
            healed = [(each, *self._heal(each)) for each in reversed(self._on)]
            self._on.clear()
            for struck, effect, wrong in healed:
                self._end(struck.entry, struck.package.fault.name, struck.targets, effect, wrong)

    def _hold(self, seconds: float) -> None:
        until = self._history.now() + seconds
        while not self._stop.is_set() and self._history.now() < until:
            for each in self._on:
                each.blow.look()
            self._stop.wait(LOOK_EVERY_SECONDS)

    def _strike(self, package: Package, chance: Random) -> None:
        self.faults += 1
        fault = package.fault.name
        targets: list[Target] = []
        wrong: Exception | None = None
        try:
            targets = self._choose(package, chance)
        except Exception as error:  # noqa: BLE001 - with Kafka away nobody can tell who leads: noted below
            wrong = error
        names = [target.name for target in targets]
        chosen = {"fault": fault, "targets": names, "choice": str(package.choice)}
        entry = self._history.begin(NEMESIS, "fault", value=chosen)
        if wrong is None:
            try:
                self._on.append(Struck(package, names, entry, package.fault.strike(self._ground, targets)))
            except Exception as error:  # noqa: BLE001 - a fault that cannot be made is noted, and is no end
                wrong = error
        if wrong is None:
            self._tell(f"{fault}: {' '.join(names)} ({package.choice})")
        else:
            self._end(entry, fault, names, {}, f"{type(wrong).__name__}: {wrong}")

    def _choose(self, package: Package, chance: Random) -> list[Target]:
        """Whom to hit; asks until somebody can tell. Raises NothingToHit, WaitedTooLong."""
        start = chance.getstate()

        def ask() -> list[Target]:
            chance.setstate(start)
            return choose(package.choice, self._ground.targets, self._holder_of, self._ground.names, chance)

        seconds = HURRY_SECONDS if self._stop.is_set() else CHOOSE_SECONDS_MAX
        return until(
            ask,
            within_seconds=seconds,
            what=f"{package.choice} to be known",
            retry_on=(KafkaError, KafkaException),
        )

    def _heal(self, struck: Struck) -> tuple[Effect, str | None]:
        """The effect, and what went wrong. Never raises: the others must be healed all the same."""
        try:
            return struck.blow.heal(HURRY_SECONDS if self._stop.is_set() else BACK_SECONDS_MAX) or {}, None
        except Exception as error:  # noqa: BLE001 - noted by the caller
            return {}, f"{type(error).__name__}: {error}"

    def _end(self, entry: Entry, fault: str, names: list[str], effect: Effect, wrong: str | None) -> None:
        self.seen += bool(effect)
        outcome: Outcome = "ok" if effect else "unknown"
        value = {"fault": fault, "targets": names, "effect": effect}
        self._history.end(entry, outcome, value=value, error=wrong)
        self._tell(f"{fault}: {' '.join(names)}: {_shown(effect) or wrong or 'no effect was seen'}")

    def _holder_of(self, role: str, name: str) -> int:
        return self._ground.cluster().holder_of(role, name)


def _shown(effect: Effect) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_words(value)}" for name, value in effect.items())


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
