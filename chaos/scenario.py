"""What a scenario is: steps drawn from a seed, its size, and what it needs of the system.

Its steps are a function from chance to an endless run of steps, so one that needs more than a table row is a
Python function; a fault of its own is an `Act` of two functions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from chaos.nemesis import Package, Step

Steps = Callable[[Random], Iterator[Step]]
Seconds = tuple[float, float]

# What a scenario may need of the system beside its processes.
NETWORK, PARKING, TWINS = "a proxy before the brokers", "an operator's hand", "second workers"
SMALL_DISKS = "disks of its own, which only root can mount"
BETWEEN = "a proxy between the brokers"
WAY_BACK, SMALL_SLOTS = "a command that brings relays back", "slots that hold back little WAL"
STEPS_MAX = 500


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of trouble. A whole round of it takes `round_steps` steps."""

    name: str
    sentence: str
    steps: Steps
    round_steps: int = 1
    orders: int = 600
    rate: float = 8.0
    needs: frozenset[str] = frozenset()


def in_turn(*packages: Package, quiet: Seconds = (4, 7), hold: Seconds = (5, 8)) -> Steps:
    """One package after the other, over and over, each between quiet times."""

    def steps(chance: Random) -> Iterator[Step]:
        while True:
            for package in packages:
                yield Step(chance.uniform(*quiet), (package,), chance.uniform(*hold))

    return steps


def a_mix(*packages: Package, at_once_max: int = 2, every: Seconds = (5, 20)) -> Steps:
    """Every few seconds another draw of packages, which may be none."""

    def steps(chance: Random) -> Iterator[Step]:
        while True:
            drawn = chance.sample(packages, chance.randint(0, at_once_max))
            yield Step(chance.uniform(1, 3), tuple(drawn), chance.uniform(*every))

    return steps


def plan(scenario: Scenario, seed: int, seconds: float) -> list[Step]:
    """The steps of a run of so many seconds, a whole round at least: the same for the same seed."""
    chance = Random(f"{scenario.name}/{seed}")  # noqa: S311 - to be repeated, not to be secret
    drawn: list[Step] = []
    for step in scenario.steps(chance):
        drawn.append(step)
        length = sum(each.quiet_seconds + each.hold_seconds for each in drawn)
        if (length >= seconds and len(drawn) >= scenario.round_steps) or len(drawn) == STEPS_MAX:
            break
    return drawn


def kinds(scenario: Scenario, seed: int) -> list[str]:
    """The faults that a whole round has, each with whom it hits, by name."""
    first = plan(scenario, seed, 0)
    return sorted({str(package) for step in first for package in step.packages})
