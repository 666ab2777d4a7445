"""What an answer is worth, and what a careful customer does next: pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chaos.history import Outcome
from chaos.orders import Errand, Fate, another_body

# What a service says when it has surely done nothing.
REFUSALS = frozenset({400, 401, 403, 404, 409, 413, 422, 429})
NOT_KNOWN = "not known"
ASKS_MAX = 12
LOOK_EVERY_SECONDS = 0.7


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: nothing at all, or a status with a body."""

    outcome: Outcome
    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def order_id(self) -> str | None:
        found = self.body.get("order_id")
        return str(found) if found else None


def outcome_of(status: int, headers: Mapping[str, str], detail: str = "") -> Outcome:
    """What is known after an answer.

    A 503 refuses only where it says when to come again, and does not say that it is not known what was
    done: a database that goes away during a commit leaves nobody to ask. Other server errors tell nothing.
    """
    if 200 <= status < 300:
        return "ok"
    shed = status == 503 and "Retry-After" in headers and NOT_KNOWN not in detail
    return "fail" if status in REFUSALS or shed else "unknown"


def pause_seconds(attempt: int) -> float:
    """Ever longer, and all together longer than a database takes to come back."""
    return min(8.0, 0.5 * 2.0**attempt)


def follow_ups(errand: Errand, answer: Answer, now: float) -> Iterator[Errand]:
    """What is asked next, because of an answer or for want of one."""
    if _is_open(errand, answer):
        if errand.attempt < ASKS_MAX and errand.kind != "get":
            kind = "repeat" if errand.kind == "place" else errand.kind
            at = now + pause_seconds(errand.attempt)
            yield replace(errand, intended=at, kind=kind, attempt=errand.attempt + 1)
    elif errand.is_order and answer.outcome == "ok" and not errand.is_other:
        yield from _after_acceptance(errand, answer, now)
    if errand.kind == "get" and errand.fate.looks > 1:  # an end too is looked at again: it must stay
        yield replace(
            errand, intended=now + LOOK_EVERY_SECONDS, fate=replace(errand.fate, looks=errand.fate.looks - 1)
        )


def _is_open(errand: Errand, answer: Answer) -> bool:
    """Whether it is not known what came of it. A refusal of a later try says nothing of the first one."""
    if answer.outcome == "unknown":
        return True
    return errand.attempt > 0 and answer.outcome == "fail" and answer.status in {409, 429, 503}


def _after_acceptance(errand: Errand, answer: Answer, now: float) -> Iterator[Errand]:
    fate, again = errand.fate, replace(errand, kind="repeat", fate=Fate(), attempt=0)
    about = Errand(now, "get", order_id=answer.order_id)
    if fate.looks:
        yield replace(about, fate=Fate(looks=fate.looks))
    if fate.cancel_after is not None:
        yield replace(about, intended=now + fate.cancel_after, kind="cancel")
    if fate.repeat_after is not None:
        yield replace(again, intended=now + fate.repeat_after)
    if fate.other_body_after is not None and errand.body is not None:
        other = another_body(errand.body)
        yield replace(again, intended=now + fate.other_body_after, body=other, is_other=True)
