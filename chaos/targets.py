"""What can be hit: processes by name and kind, looked up anew before every blow, and how one is chosen.

Nothing but a process that a target leads to is ever signalled. A pid alone is no proof: whoever finds it
checks that it still is the process it was written down for, and psutil then holds on to its start time.
"""

import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import psutil

from runtime.errors import NeverlostError

PID_COMMAND_SECONDS_MAX = 10
# A pid file is written by the process or right after it: one that is older tells of a predecessor.
PID_FILE_SECONDS_MAX = 5.0

EVERYTHING = "*"
Which = Literal[
    "one",
    "member",
    "minority",
    "majority",
    "all",
    "leader",
    "transaction-coordinator",
    "group-coordinator",
    "controller",
]
ROLES: tuple[Which, ...] = ("leader", "transaction-coordinator", "group-coordinator", "controller")


class NothingToHit(NeverlostError):  # noqa: N818 - it says what is the matter
    """No target is what was asked for."""


@dataclass(frozen=True, slots=True)
class Target:
    """One process of the system. `node_id` is a broker's number, `group` what a worker reads as."""

    name: str
    kind: str
    find: Callable[[], psutil.Process | None]
    port: int | None = None
    node_id: int | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class KafkaNames:
    """The names that a role in Kafka can be held for; one is drawn where a choice names none."""

    transactional_ids: tuple[str, ...] = ()
    # The topics that each group reads, and a type of message that each topic carries.
    reads: Mapping[str, Sequence[str]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    def of(self, role: str) -> tuple[str, ...]:
        named = {
            "leader": tuple(sorted({topic for topics in self.reads.values() for topic in topics})),
            "transaction-coordinator": self.transactional_ids,
            "group-coordinator": tuple(sorted(self.reads)),
        }
        return named.get(role, ("",))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which targets of a kind: so many of them by chance, or the broker that holds a role in Kafka."""

    kind: str
    which: Which = "one"
    of: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.which, self.of, self.kind) if part)


def choose(
    choice: Choice,
    targets: Sequence[Target],
    holder_of: Callable[[str, str], int],
    names: KafkaNames,
    chance: Random,
) -> list[Target]:
    """The targets of a choice, the same for the same chance. Raises NothingToHit."""
    kin = sorted(
        (each for each in targets if choice.kind in {each.kind, EVERYTHING}), key=lambda each: each.name
    )
    if choice.which in ROLES:
        of = choice.of or _draw(names.of(choice.which), choice, chance)
        node_id = holder_of(choice.which, of)
        chosen = [each for each in kin if each.node_id == node_id]
    else:
        chosen = _by_number(choice, kin, chance)
    if not chosen:
        raise NothingToHit(f"there is no target for {choice}")
    return chosen


def _by_number(choice: Choice, kin: list[Target], chance: Random) -> list[Target]:
    if choice.which == "member":
        kin = [each for each in kin if each.group and choice.of in {"", each.group}]
    counts = {"minority": (len(kin) - 1) // 2, "majority": len(kin) // 2 + 1, "all": len(kin)}
    number = min(counts.get(choice.which, 1), len(kin))
    return sorted(chance.sample(kin, number), key=lambda each: each.name)


def _draw(names: tuple[str, ...], choice: Choice, chance: Random) -> str:
    if not names:
        raise NothingToHit(f"no name is known for {choice}")
    return chance.choice(names)


def from_entries(entries: Sequence[Mapping[str, Any]]) -> tuple[Target, ...]:
    """The targets of a system of your own: each with a name, a kind, and a pid_file or pid_command."""
    return tuple(_from_entry(entry) for entry in entries)


def _from_entry(entry: Mapping[str, Any]) -> Target:
    if "pid_file" in entry:
        path = Path(entry["pid_file"])
        find: Callable[[], psutil.Process | None] = lambda: by_pid_file(path)  # noqa: E731 - one of two
    else:
        command = shlex.split(entry["pid_command"])
        find = lambda: by_pid_command(command)  # noqa: E731 - the other
    known = {name: entry.get(name) for name in ("port", "node_id", "group")}
    return Target(entry["name"], entry["kind"], find, **known)


def by_pid_file(path: Path) -> psutil.Process | None:
    """The process that the file tells of, unless the pid has become another's since it was written."""
    try:
        process = psutil.Process(int(path.read_text()))
        written = path.stat().st_mtime
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
    return process if process.create_time() <= written + PID_FILE_SECONDS_MAX else None


def by_pid_command(command: Sequence[str]) -> psutil.Process | None:
    """The process that a command names on its first line."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PID_COMMAND_SECONDS_MAX
    )
    try:
        return psutil.Process(int(done.stdout.split()[0]))
    except (IndexError, ValueError, psutil.NoSuchProcess):
        return None
