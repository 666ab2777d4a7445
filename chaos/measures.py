"""What a run came to in figures: how much, how fast, and how long until it was well again. Pure.

Times are seconds since the run began. The databases' clock is set against the history's by the wall times
that the history has noted; on several machines it is as good as their clocks agree.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from chaos.evidence import Evidence
from chaos.history import Operation
from chaos.verdict import effect_of

Series = tuple[tuple[float, float], ...]  # (second, value)


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault: when it was, what was seen to come of it (nothing, where empty), and what it did to orders.

    `outage`: from its beginning until an order that was placed after that is complete; `recovery`: the same
    from its end. `pause`: the longest time around it in which no order came to its end. None: nothing tells.
    """

    name: str
    targets: tuple[str, ...]
    begin: float
    end: float
    effect: str
    outage: float | None
    recovery: float | None
    pause: float | None


def struck(operations: Sequence[Operation], evidence: Evidence) -> tuple[Struck, ...]:
    """Every fault of a run, in its order."""
    completed = _Completions(_placed(operations), _ends(operations, evidence, {"COMPLETED"}))
    ends = sorted(_ends(operations, evidence).values())
    return tuple(
        Struck(
            name=str(each.begin.value.get("fault")),
            targets=tuple(each.begin.value.get("targets", ())),
            begin=each.begin.at,
            end=(end := each.end.at if each.end else each.begin.at),
            effect=_in_words(effect_of(each)),
            outage=completed.first_after(each.begin.at),
            recovery=(recovery := completed.first_after(end)),
            pause=_pause(each.begin.at, end + (recovery or 0), ends),
        )
        for each in operations
        if each.begin.kind == "fault"
    )


def length(operations: Sequence[Operation]) -> float:
    """Until the last thing that was noted."""
    return max((entry.at for each in operations for entry in (each.begin, each.end) if entry), default=0.0)


def accepted_per_second(operations: Sequence[Operation]) -> Series:
    """An order that was answered more than once counts when it was answered first."""
    first: dict[str, float] = {}
    for each in _placing(operations):
        if each.outcome == "ok" and each.end:
            order_id = str(each.end.value.get("order_id"))
            first[order_id] = min(first.get(order_id, math.inf), each.end.at)
    return _per_second(first.values(), length(operations))


def finished_per_second(operations: Sequence[Operation], evidence: Evidence) -> Series:
    ends = _ends(operations, evidence).values()
    return _per_second(ends, max(length(operations), *ends, 0.0))


def latency(operations: Sequence[Operation], share: float) -> Series:
    """By the second in which an order was meant to be sent: how long until it was answered, or given up.

    A client that was late counts its waiting too, so a system that stands still cannot look fast.
    """
    seconds: dict[int, list[float]] = {}
    for each in _placing(operations):
        if each.begin.kind == "place" and each.end:
            meant = each.begin.at if each.begin.intended is None else each.begin.intended
            seconds.setdefault(int(meant), []).append(each.end.at - meant)
    return tuple((second, percentile(values, share)) for second, values in sorted(seconds.items()))


def events_on_their_way(operations: Sequence[Operation], evidence: Evidence) -> Series:
    """By the second: the most events at once that were in an outbox, and in no topic yet.

    An event that never came to its topic is on its way to the end.
    """
    came: dict[str, float] = {}
    for record in evidence.records:
        came[record.id] = min(came.get(record.id, math.inf), record.at)
    began = _began(operations)
    spans = [(each.at - began, came.get(each.id, math.inf) - began) for each in evidence.outbox]
    return _most_at_once(spans, length(operations))


def orders_on_their_way(operations: Sequence[Operation], evidence: Evidence) -> Series:
    """By the second: the most orders at once that were accepted, and not at their end."""
    ends = _ends(operations, evidence)
    spans = [(at, ends.get(order_id, math.inf)) for order_id, at in _placed(operations).items()]
    return _most_at_once(spans, length(operations))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def _in_words(effect: Mapping[str, Any]) -> str:
    return "; ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in effect.items())


def _value(value: Any) -> str:
    """Of what, and how much, without the marks of a programming language."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items())
    return " ".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)


def _placing(operations: Iterable[Operation]) -> list[Operation]:
    return [each for each in operations if each.begin.kind in {"place", "repeat"}]


def _placed(operations: Sequence[Operation]) -> Mapping[str, float]:
    """When each accepted order was first asked for."""
    placed: dict[str, float] = {}
    for each in _placing(operations):
        if each.outcome == "ok" and each.end:
            order_id = str(each.end.value.get("order_id"))
            placed[order_id] = min(placed.get(order_id, math.inf), each.begin.at)
    return placed


def _ends(
    operations: Sequence[Operation],
    evidence: Evidence,
    statuses: Iterable[str] = ("COMPLETED", "COMPENSATED"),
) -> dict[str, float]:
    """When each order of the run came to its end, by the log of its saga."""
    placed = _placed(operations)
    began = _began(operations)
    ends: dict[str, float] = {}
    for line in evidence.saga_log:
        if line.saga_id in placed and line.status in statuses:
            ends.setdefault(line.saga_id, line.at - began)
    return ends


def _began(operations: Sequence[Operation]) -> float:
    """When the run began, by the clock of the wall."""
    return operations[0].begin.wall - operations[0].begin.at if operations else 0.0


class _Completions:
    """When orders were complete, by when they were placed."""

    def __init__(self, placed: Mapping[str, float], completed: Mapping[str, float]) -> None:
        ways = sorted((placed[order_id], at) for order_id, at in completed.items())
        self._placed = [at for at, _ in ways]
        # Of each order and all that were placed after it, the first that was complete.
        self._first = list(accumulate((at for _, at in reversed(ways)), min))[::-1]

    def first_after(self, moment: float) -> float | None:
        """Seconds until an order that was placed from this moment on was complete."""
        place = bisect_left(self._placed, moment)
        return max(0.0, self._first[place] - moment) if place < len(self._first) else None


def _pause(begin: float, end: float, ends: Sequence[float]) -> float | None:
    """The longest gap between two ends that has a part in the time from begin to end."""
    around = ends[max(0, bisect_left(ends, begin) - 1) : bisect_right(ends, end) + 1]
    return max((after - before for before, after in pairwise(around)), default=None)


def _per_second(times: Iterable[float], seconds: float) -> Series:
    counted = Counter(int(at) for at in times if at >= 0)
    return tuple((float(second), float(counted[second])) for second in range(math.ceil(seconds)))


def _most_at_once(spans: Iterable[tuple[float, float]], seconds: float) -> Series:
    """How many spans were open at once, at most, in each second; what is open at the end stays so."""
    known = [(max(0.0, begin), end) for begin, end in spans if end > max(0.0, begin)]
    last = max([seconds, *(end for _, end in known if math.isfinite(end))])
    changes = sorted([(begin, 1) for begin, _ in known] + [(end, -1) for _, end in known])
    series, count, place = [], 0, 0
    for second in range(math.ceil(last) + 1):
        most = count
        while place < len(changes) and changes[place][0] < second + 1:
            count += changes[place][1]
            most = max(most, count)
            place += 1
        series.append((float(second), float(most)))
    return tuple(series)
