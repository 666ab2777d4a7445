"""What is said of a run, and how sure that is. Pure.

A run is only called valid when it could have gone wrong: faults took effect, the system was asked for
something while they did, and every invariant had something to look at.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from chaos.history import Operation

Verdict = Literal["valid", "invalid", "unknown"]
VIOLATIONS_MAX = 20
OPERATIONS_MIN = 50
GOOD_SHARE_MIN = 0.8
# A fault now and then finds nobody to hit, such as a coordinator that another fault has just ended.
QUIET_SHARE_MAX = 0.1


@dataclass(frozen=True, slots=True)
class Result:
    """One invariant: of how many things it was asked, and which broke it.

    `violations` holds the first of them; `found` counts all.
    """

    name: str
    verdict: Verdict
    checked: int
    violations: tuple[str, ...]
    found: int
    sentence: str

    @property
    def bound(self) -> float | None:
        """By the rule of three: no violation in n says with 95 % certainty that fewer than 3/n break it."""
        return min(1.0, 3 / self.checked) if self.checked and not self.found else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of a whole run, and why it is not a better one."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


def result(name: str, sentence: str, checked: int, violations: Iterable[str]) -> Result:
    """Invalid where there is a violation, unknown where there was nothing to look at."""
    rest = iter(violations)
    first = tuple(islice(rest, VIOLATIONS_MAX))
    found = len(first) + sum(1 for _ in rest)
    verdict: Verdict = "invalid" if found else "valid" if checked else "unknown"
    return Result(name, verdict, checked, first, found, sentence)


def judge(results: Sequence[Result], operations: Sequence[Operation]) -> Judgement:
    """The verdict of a run, of its invariants and its whole history, faults and all."""
    if broken := [f"{each.name}: {each.found} violations" for each in results if each.verdict == "invalid"]:
        return Judgement("invalid", tuple(broken))
    asked = [each for each in operations if each.begin.kind != "fault"]
    faults = [each for each in operations if each.begin.kind == "fault"]
    doubts = (*_blind(results), *_too_little(asked), *_no_faults(faults), *_quiet_faults(faults, asked))
    return Judgement("unknown" if doubts else "valid", doubts)


def not_tried(operations: Sequence[Operation], meant: Collection[str]) -> list[str]:
    """The kinds of faults of a whole round that never happened: a run of few orders is over before."""
    return sorted(set(meant) - {_kind(each) for each in operations if each.begin.kind == "fault"})


def is_as_meant(operation: Operation) -> bool:
    """Whether the system did what was asked, or refused what it had to refuse."""
    if operation.outcome == "ok":
        return True
    status, kind = operation.end.status if operation.end else None, operation.begin.kind
    misused = operation.begin.value.get("other_body") and status == 422
    too_late_or_too_soon = kind in {"cancel", "repeat"} and status == 409
    return bool(misused or too_late_or_too_soon)


def effect_of(fault: Operation) -> Mapping[str, Any]:
    """What was seen to come of a fault; empty where nothing was."""
    return (fault.end.value.get("effect") if fault.end else None) or {}


def _blind(results: Sequence[Result]) -> Iterable[str]:
    for each in results:
        if each.verdict == "unknown":
            yield f"{each.name}: there was nothing to look at"


def _too_little(asked: Sequence[Operation]) -> Iterable[str]:
    if len(asked) < OPERATIONS_MIN:
        yield f"only {len(asked)} operations, fewer than {OPERATIONS_MIN}"
        return
    told = list(_told_in_the_end(asked))
    good = sum(map(is_as_meant, told)) / len(told)
    if good < GOOD_SHARE_MIN:
        yield f"only {good:.0%} of {len(told)} operations went as meant, less than {GOOD_SHARE_MIN:.0%}"


def _told_in_the_end(asked: Sequence[Operation]) -> Iterable[Operation]:
    """Without those whose answer was not known and that were asked again under their key: the last counts.

    How often a client asks during an outage says how eager it is, and nothing of the system.
    """
    last = {each.begin.key: each.begin.number for each in asked if each.begin.key}
    for each in asked:
        key = each.begin.key
        if each.outcome != "unknown" or not key or last[key] == each.begin.number:
            yield each


def _no_faults(faults: Sequence[Operation]) -> Iterable[str]:
    if not faults:
        yield "no fault happened"


def _kind(fault: Operation) -> str:
    return f"{fault.begin.value.get('fault')}: {fault.begin.value.get('choice')}"


def _counts(fault: Operation, begun: Sequence[float]) -> bool:
    """Whether a fault proves something: it was seen, and something was asked while it lasted.

    `begun` is when everything that was asked began, in its order.
    """
    asked_during = not fault.end or bisect_left(begun, fault.begin.at) < bisect_right(begun, fault.end.at)
    return bool(effect_of(fault)) and asked_during


def _quiet_faults(faults: Sequence[Operation], asked: Sequence[Operation]) -> Iterable[str]:
    """Kinds of faults that nobody saw once, or during which nothing was asked: they were not tried."""
    begun = sorted(each.begin.at for each in asked)
    kinds: dict[str, list[bool]] = {}
    for fault in faults:
        kinds.setdefault(_kind(fault), []).append(_counts(fault, begun))
    for name, all_of_them in kinds.items():
        if not any(all_of_them):
            yield f"{name}: in {len(all_of_them)} tries no effect was seen while something was asked"
    quiet = sum(not each for tries in kinds.values() for each in tries)
    if quiet > len(faults) * QUIET_SHARE_MAX:
        yield f"{quiet} of {len(faults)} faults were not seen to work while something was asked"
