"""What was answered to callers, against what is there (S2, S3, S15 to S17). Pure.

Of a history's operations this reads:

· place, repeat   begun with {"body": …} under a key; answered with {"order_id": …}
· get, cancel     begun with {"order_id": …}; answered with {"order_id": …, "status": …}
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chaos.checker_sagas import FINAL
from chaos.evidence import Evidence
from chaos.history import Operation
from chaos.verdict import Result, result

_RANK = {"PENDING": 0, "PAID": 1, **dict.fromkeys(FINAL, 2)}
_CLOCKS_APART_SECONDS = 1.0


def s2_accepted_orders(evidence: Evidence, operations: Sequence[Operation]) -> Result:
    there = {order.id for order in evidence.orders}
    promised = [each for each in _orders(operations) if each.outcome == "ok"]
    return result(
        "S2 no lost order",
        "Every order that was accepted is there.",
        len(promised),
        (f"{_answer(each)} of {_who(each)} is gone" for each in promised if _answer(each) not in there),
    )


def s3_no_ghosts(evidence: Evidence, operations: Sequence[Operation]) -> Result:
    """Who does not know what came of a request may find one order or none; who was refused finds none."""
    made = _made_by_key(evidence)
    by_key = _by_key(operations)
    return result(
        "S3 no ghost order",
        "One key makes one order at most, a refused one none, and no order is there that nobody asked for.",
        sum(map(len, by_key.values())),
        (
            *(f"the key {key} made {len(made[key])} orders" for key in by_key if len(made.get(key, ())) > 1),
            *(
                f"the key {key} was refused and made {min(made[key])}"
                for key, tries in by_key.items()
                if made.get(key) and all(each.outcome == "fail" for each in tries)
            ),
            *_unasked(evidence, operations),
        ),
    )


def s15_no_way_back(evidence: Evidence, operations: Sequence[Operation]) -> Result:
    """Only what ended before another began counts: of two at once, either may be the later."""
    seen: dict[str, list[Operation]] = {}
    for each in operations:
        if each.begin.kind in {"get", "cancel"} and each.outcome == "ok" and _status(each) in _RANK:
            seen.setdefault(_answer(each), []).append(each)
    ends = {order.id: order.status for order in evidence.orders}
    return result(
        "S15 no way back",
        "An order's status never went back, whoever asked, and a final one stayed.",
        sum(map(len, seen.values())),
        (
            told
            for order_id, readings in seen.items()
            for told in (*_steps_back(order_id, readings), *_ended_otherwise(ends.get(order_id), readings))
        ),
    )


def s16_repeats(evidence: Evidence, operations: Sequence[Operation]) -> Result:
    """A key that is not kept would make another order of the next repeat."""
    made, there = _made_by_key(evidence), {order.id for order in evidence.orders}
    forgotten = [
        f"the key {each.begin.key} made {_answer(each)} and is not kept"
        for each in _orders(operations)
        if each.begin.key and each.outcome == "ok" and each.begin.key not in made and _answer(each) in there
    ]
    repeated = {key: tries for key, tries in _by_key(operations).items() if len(tries) > 1}
    return result(
        "S16 HTTP idempotency",
        "A repeated request was answered with the same order; another body under its key never was.",
        sum(map(len, repeated.values())),
        (*forgotten, *(told for key, tries in repeated.items() for told in _unlike(key, tries))),
    )


def s17_own_answers(evidence: Evidence, operations: Sequence[Operation]) -> Result:
    asked = [each for each in operations if each.begin.kind in {"get", "cancel"} and each.outcome == "ok"]
    placed = [each for each in _orders(operations) if each.outcome == "ok" and each.begin.key]
    return result(
        "S17 own answers",
        "Every answer was about the order that was asked for, made by its caller's key, and as ordered.",
        len(asked) + len(placed),
        (*_of_others(asked), *_of_other_keys(evidence, placed), *_not_as_ordered(evidence, placed)),
    )


def accepted(operations: Iterable[Operation]) -> set[str]:
    """The orders that were promised to callers."""
    return {_answer(each) for each in _orders(operations) if each.outcome == "ok"}


def _unasked(evidence: Evidence, operations: Sequence[Operation]) -> Iterator[str]:
    """Orders made since the first was placed belong to a key. Nobody else must place any meanwhile."""
    placing = _orders(operations)
    if not placing or not all(each.begin.key for each in placing):
        return
    began = min(each.begin.wall for each in placing) - _CLOCKS_APART_SECONDS
    known = {key.order_id for key in evidence.keys} | {_answer(each) for each in placing}
    for order in evidence.orders:
        if order.created_at > began and order.id not in known:
            yield f"{order.id} was asked for under no key"


def _steps_back(order_id: str, readings: list[Operation]) -> Iterator[str]:
    """Sweeps over the readings by their beginning, with the furthest status that was known by then."""
    ended = sorted(readings, key=_end)
    known, place = "PENDING", 0
    for each in sorted(readings, key=lambda reading: reading.begin.at):
        while place < len(ended) and _end(ended[place]) < each.begin.at:
            known = max(known, _status(ended[place]), key=_RANK.__getitem__)
            place += 1
        if _RANK[_status(each)] < _RANK[known] or (known in FINAL and _status(each) != known):
            yield f"{order_id} was {known}, then {_status(each)} at {each.begin.at:.3f} s"


def _ended_otherwise(status: str | None, readings: list[Operation]) -> Iterator[str]:
    for each in readings:
        if _status(each) in FINAL and _status(each) != status:
            yield f"{_answer(each)} was answered as {_status(each)} and is {status}"


def _unlike(key: str, tries: list[Operation]) -> Iterator[str]:
    """Whichever body came first has the key: another's order or refusal says which that was."""
    good = [each for each in tries if each.outcome == "ok"]
    if len(orders := {_answer(each) for each in good}) > 1:
        yield f"the key {key} was answered with the orders {', '.join(sorted(orders))}"
    if len(bodies := {_body(each) for each in good}) > 1:
        yield f"the key {key} took {len(bodies)} bodies"
    for each in tries:
        refused = each.outcome == "fail" and each.end is not None and each.end.status == 422
        if refused and bodies == {_body(each)}:
            yield f"the key {key} was refused for the body that it was used with"


def _of_others(asked: Iterable[Operation]) -> Iterator[str]:
    for each in asked:
        if (wanted := each.begin.value.get("order_id")) != _answer(each):
            yield f"{_who(each)} asked for {wanted} and was told of {_answer(each)}"


def _of_other_keys(evidence: Evidence, placed: Iterable[Operation]) -> Iterator[str]:
    made, told = _made_by_key(evidence), dict[str, str]()
    for each in placed:
        key, order_id = str(each.begin.key), _answer(each)
        if key in made and order_id not in made[key]:
            yield f"{_who(each)} was told of {order_id}, its key {key} made {min(made[key])}"
        if told.setdefault(order_id, key) != key:
            yield f"{order_id} was answered to the keys {told[order_id]} and {key}"


def _not_as_ordered(evidence: Evidence, placed: Iterable[Operation]) -> Iterator[str]:
    orders = {order.id: order.items for order in evidence.orders}
    for each in placed:
        wanted = each.begin.value.get("body", {}).get("items")
        there = orders.get(_answer(each))
        if wanted and there is not None and there != tuple(sorted((i["sku"], i["quantity"]) for i in wanted)):
            yield f"{_answer(each)} of {_who(each)} holds {there}, not what was ordered"


def _orders(operations: Iterable[Operation]) -> list[Operation]:
    return [each for each in operations if each.begin.kind in {"place", "repeat"}]


def _by_key(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    by_key: dict[str, list[Operation]] = {}
    for each in _orders(operations):
        if each.begin.key:
            by_key.setdefault(each.begin.key, []).append(each)
    return by_key


def _made_by_key(evidence: Evidence) -> Mapping[str, set[str]]:
    made: dict[str, set[str]] = {}
    for key in evidence.keys:
        made.setdefault(key.key, set()).add(key.order_id)
    return made


def _body(each: Operation) -> str:
    return json.dumps(each.begin.value.get("body"), sort_keys=True)


def _value(each: Operation) -> Mapping[str, Any]:
    return each.end.value if each.end else {}


def _answer(each: Operation) -> str:
    return str(_value(each).get("order_id"))


def _status(each: Operation) -> str:
    return str(_value(each).get("status"))


def _end(each: Operation) -> float:
    return each.end.at if each.end else float("inf")


def _who(each: Operation) -> str:
    return f"{each.begin.process} (operation {each.begin.number})"
