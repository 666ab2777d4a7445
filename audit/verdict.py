"""What an auditor's counts come to: green, red or grey, and why. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

# Partitions are made eight days ahead; with fewer than these left, nobody has made any for days.
DAYS_AHEAD_MIN = 2
# A report and the time that it is looked at are told by one clock.
AHEAD_SECONDS_MAX = 1.0
# A slot that is `extended` keeps more than a checkpoint would like, and still keeps all of it.
HOLDING = ("reserved", "extended")
_SET_BACK = "it was restored or replaced, and is read anew; ./run audit repair sends what is missing"
_HELD_UP = "waits for a transaction of its Postgres that stays open: what was written since cannot be read"


class Verdict(StrEnum):
    """GREEN: everything that was written is accounted for. RED: something is not. GREY: it cannot be said."""

    GREEN = "green"
    RED = "red"
    GREY = "grey"


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are of something, and the first of them."""

    count: int = 0
    ids: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        return {"count": self.count, "ids": list(self.ids)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Everything a round found that is still so. Ids are of events; in `books` and `doubled`, of orders."""

    checked: int = 0
    under_way: int = 0
    late: Count = field(default_factory=Count)
    lost: Count = field(default_factory=Count)
    skipped: Count = field(default_factory=Count)
    phantom: Count = field(default_factory=Count)
    repeated: Count = field(default_factory=Count)
    reordered: Count = field(default_factory=Count)
    gaps: Count = field(default_factory=Count)
    altered: Count = field(default_factory=Count)
    doubled: Count = field(default_factory=Count)
    books: Count = field(default_factory=Count)
    stock: Sequence[str] = ()
    made_anew: Sequence[str] = ()
    set_back: Sequence[str] = ()
    missing_topics: Sequence[str] = ()
    slots: Mapping[str, str] = field(default_factory=dict)
    days_ahead: Mapping[str, int] = field(default_factory=dict)
    behind: Sequence[str] = ()
    held_up: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Invariant:
    """One sentence of the promise, and whether it holds: `problems` are what speaks against it."""

    name: str
    sentence: str
    problems: Sequence[str]

    @property
    def verdict(self) -> Verdict:
        return Verdict.RED if self.problems else Verdict.GREEN

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "problems": list(self.problems),
        }


def invariants(counts: Counts) -> tuple[Invariant, ...]:
    """The promise, sentence by sentence; the numbers are those of the documents."""
    slots = [f"{name}: slot {state}" for name, state in counts.slots.items() if state not in HOLDING]
    topics = [f"topic {t} is missing" for t in counts.missing_topics]
    topics += [f"topic {t} was deleted and made anew" for t in counts.made_anew]
    databases = [f"the database of {told}; {_SET_BACK}" for told in counts.set_back]
    days = [f"{n}: partitions for {d} days" for n, d in counts.days_ahead.items() if d < DAYS_AHEAD_MIN]
    return (
        Invariant("S4", "Every event that was written is in its topic", _told(counts.lost, "lost")),
        Invariant("S5", "And is there once", _told(counts.repeated, "repeated")),
        Invariant("S6", "Nothing is in a topic that nobody wrote", _told(counts.phantom, "phantom")),
        Invariant(
            "S7",
            "Events of a key keep their order, and none is missing",
            [*_told(counts.reordered, "reordered"), *_told(counts.gaps, "with a gap")],
        ),
        Invariant(
            "S8", "An event says in its topic what it said when written", _told(counts.altered, "altered")
        ),
        Invariant("S9", "Each event has one effect", _told(counts.doubled, "orders with an effect twice")),
        Invariant("S10", "Every consumer has seen every event", _told(counts.skipped, "skipped")),
        Invariant("S11", "Money and stock of ended orders agree", _told(counts.books, "orders that do not")),
        Invariant("S12", "Stock is what its ledger says, and is promised to orders alone", counts.stock),
        Invariant("slots", "Every relay has a slot that holds what it has not sent", slots),
        Invariant("topics", "Every topic is the one that it was", topics),
        Invariant("databases", "Every database is the one that it was, and no older", databases),
        Invariant("partitions", "Tomorrow's rows have a place", days),
    )


def decide(counts: Counts) -> tuple[Verdict, list[str]]:
    """The verdict, and the reasons for any but green."""
    wrong = [problem for each in invariants(counts) for problem in each.problems]
    if wrong:
        return Verdict.RED, wrong
    unsure = [f"{counts.late.count} events are late"] if counts.late.count else []
    unsure += [f"{each} is not read to its end yet" for each in counts.behind]
    unsure += [f"the outbox of {each} {_HELD_UP}" for each in counts.held_up]
    return (Verdict.GREY, unsure) if unsure else (Verdict.GREEN, [])


def staleness(began_at: datetime, now: datetime, seconds_max: float) -> str | None:
    """Why a report is too old to say anything, or from a time that the clock was set back from."""
    age = (now - began_at).total_seconds()
    if age < -AHEAD_SECONDS_MAX:
        return f"the auditor's last round began {-age:.0f} s from now: a clock was set back"
    return f"the auditor's last round began {age:.0f} s ago" if age > seconds_max else None


def _told(count: Count, what: str) -> list[str]:
    return [f"{count.count} {what}: {', '.join(count.ids[:3])}"] if count.count else []
