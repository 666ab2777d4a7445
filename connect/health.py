"""What Connect's REST interface says of a connector, and what that means. Values in, values out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.services import Service

RUNNING = "RUNNING"
FAILED = "FAILED"
STOPPED = "STOPPED"
UNASSIGNED = "UNASSIGNED"
HELD = frozenset({"PAUSED", STOPPED})


def why_held(service: Service, state: str) -> tuple[str, str]:
    """Why a held connector is as it is, and the command that makes it go on.

    Nobody but a recovery stops one. Resumed instead of recovered, it could go on from a wrong position.
    """
    if state == STOPPED:
        return "a recovery that did not end left it so", f"./run connect recover {service.name}"
    return "a person has paused it", f"./run connect resume {service.connector}"


class Verdict(StrEnum):
    """HEALTHY: it runs. DEGRADED: it does not, and may yet by itself. FAILED: only a restart helps.

    WEDGED: whatever it says, it brings nothing to Kafka (connect/progress.py): a restart may help.
    """

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"
    WEDGED = "wedged"


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task; `trace` is the stack trace of what failed it."""

    number: int
    state: str
    worker: str
    trace: str = ""

    @property
    def verdict(self) -> Verdict:
        return _verdict(self.state)


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """One connector with its tasks."""

    name: str
    state: str
    worker: str
    tasks: tuple[TaskStatus, ...]
    trace: str = ""

    @property
    def verdict(self) -> Verdict:
        """As bad as its worst part: a connector stays RUNNING while its only task has FAILED."""
        parts = {_verdict(self.state), *(task.verdict for task in self.tasks)}
        if Verdict.FAILED in parts:
            return Verdict.FAILED
        return Verdict.HEALTHY if parts == {Verdict.HEALTHY} and self.tasks else Verdict.DEGRADED

    @property
    def is_held(self) -> bool:
        """Stopped by a person, on purpose: nothing that a restart, or a start, should override."""
        return self.state in HELD

    @property
    def stands(self) -> bool:
        """Stopped, and no task is at work any more.

        The last word of a connector's task may come after that connector was deleted, and is then kept for
        the next one of that name: a task that no worker has is none.
        """
        return self.state == STOPPED and all(task.state == UNASSIGNED for task in self.tasks)

    @property
    def reason(self) -> str:
        """The first line of the first trace there is."""
        traces = (self.trace, *(task.trace for task in self.tasks))
        return next((trace.splitlines()[0] for trace in traces if trace), "")

    def summary(self) -> str:
        """One line for a person: what is wrong, or that nothing is."""
        states = ", ".join(f"task {task.number} {task.state}" for task in self.tasks) or "no task"
        return f"connector {self.state}, {states}" + (f": {self.reason}" if self.reason else "")


def parse(answer: Mapping[str, Any]) -> dict[str, ConnectorStatus]:
    """The answer to `GET /connectors?expand=status`, whatever else it tells, by connector name."""
    return {name: _connector(name, entry["status"]) for name, entry in sorted(answer.items())}


def problems(expected: Collection[str], found: Mapping[str, ConnectorStatus]) -> dict[str, str]:
    """What keeps each of the expected connectors from being healthy, beside a person's wish."""
    wrong = {name: "not registered" for name in expected if name not in found}
    return wrong | {
        name: status.summary()
        for name, status in found.items()
        if name in expected and status.verdict is not Verdict.HEALTHY and not status.is_held
    }


def _connector(name: str, status: Mapping[str, Any]) -> ConnectorStatus:
    connector = status["connector"]
    return ConnectorStatus(
        name=name,
        state=connector["state"],
        worker=connector["worker_id"],
        trace=connector.get("trace", ""),
        tasks=tuple(
            TaskStatus(task["id"], task["state"], task["worker_id"], task.get("trace", ""))
            for task in status["tasks"]
        ),
    )


def _verdict(state: str) -> Verdict:
    return {RUNNING: Verdict.HEALTHY, FAILED: Verdict.FAILED}.get(state, Verdict.DEGRADED)
