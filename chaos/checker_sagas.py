"""Orders and their sagas: told of once, ended once, and undone where they did not complete. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from chaos.evidence import Evidence
from chaos.verdict import Result, result
from contracts.messages import OrderCompleted, OrderCreated, OrderFailed, PaymentRefundFailed
from contracts.services import INVENTORY, ORDER, PAYMENT
from contracts.topics import CANARY

ENDED_BADLY = frozenset({"FAILED", "OUT_OF_STOCK", "CANCELLED"})
FINAL = ENDED_BADLY | {"COMPLETED"}
_LIVE = frozenset({"RUNNING", "COMPENSATING"})
_ATTENTION = "NEEDS_ATTENTION"
_ENDS = frozenset({"COMPLETED", "COMPENSATED"})

# Where a saga may be after it was somewhere; a person leads out of NEEDS_ATTENTION whichever way.
_NEXT: Mapping[str, frozenset[str]] = {
    "RUNNING": frozenset({"RUNNING", "COMPENSATING", _ATTENTION, *_ENDS}),
    "COMPENSATING": frozenset({"COMPENSATING", "COMPENSATED", _ATTENTION}),
    _ATTENTION: frozenset({*_LIVE, _ATTENTION, *_ENDS}),
    "COMPLETED": frozenset({"COMPLETED"}),
    "COMPENSATED": frozenset({"COMPENSATED"}),
}
# What the order shows once its saga is there; an order that is under way may show either of two.
_SHOWN: Mapping[str, frozenset[str]] = {
    "COMPLETED": frozenset({"COMPLETED"}),
    "COMPENSATED": ENDED_BADLY,
    **dict.fromkeys((*_LIVE, _ATTENTION), frozenset({"PENDING", "PAID"})),
}
# How a step may stand at its participant once its saga has ended.
_FENCED: Mapping[str, frozenset[str]] = {
    "COMPLETED": frozenset({"done"}),
    "COMPENSATED": frozenset({"refused", "undone", "tombstone"}),
}
_TOLD: Mapping[str, Mapping[str, int]] = {
    "COMPLETED": {OrderCreated.type: 1, OrderCompleted.type: 1, OrderFailed.type: 0},
    **{end: {OrderCreated.type: 1, OrderCompleted.type: 0, OrderFailed.type: 1} for end in ENDED_BADLY},
}
_TOLD_UNDER_WAY = {OrderCreated.type: 1, OrderCompleted.type: 0, OrderFailed.type: 0}


def s1_dual_write(evidence: Evidence) -> Result:
    """Money and stock name their transaction, so for them it is seen that it was the same one."""
    return result(
        "S1 dual-write atomicity",
        "No change without its event and no event without its change: numbers have no gap, the sagas' log and"
        " the outbox tell the same, money and stock moved in the transaction of an event, and no order is"
        " told of with another total.",
        len(evidence.outbox),
        (
            *_gaps(evidence),
            *_told_wrongly(evidence),
            *_log_apart(evidence),
            *_moved_silently(evidence),
            *_told_otherwise(evidence),
        ),
    )


def s13_sagas(evidence: Evidence) -> Result:
    waiting = sum(1 for saga in evidence.sagas if saga.status == _ATTENTION)
    told = f" {waiting} wait for a person." if waiting else ""
    return result(
        "S13 saga",
        f"Every order has a saga, which went legal ways only and ended once, as its order shows.{told}",
        len(evidence.sagas),
        (*_orders_apart(evidence), *_illegal_ways(evidence)),
    )


def s14_compensation(evidence: Evidence) -> Result:
    """What a person has settled by hand is theirs to account for."""
    settled = by_hand(evidence)
    ends = {saga.id: saga.status for saga in evidence.sagas if saga.id not in settled}
    wrong = [
        f"the {fence.step} of {fence.saga_id} is {fence.state}, its saga {ends[fence.saga_id]}"
        for fence in evidence.fences
        if (allowed := _FENCED.get(ends.get(fence.saga_id, ""))) and fence.state not in allowed
    ]
    return result(
        "S14 compensation fence",
        "A completed order's steps are done and a compensated one's undone; nothing was undone that was not"
        " done, and nothing done after it was undone.",
        len(evidence.fences),
        (*wrong, *_undone_for_nothing(evidence), *_done_behind_a_tombstone(evidence)),
    )


def l2_rest(evidence: Evidence, accepted: Collection[str]) -> Result:
    """A run's own orders need no person, but where a gateway kept the money: no fault is a reason to.

    Of others, what they wait for is not this run's.
    """
    refused = {line.saga_id for line in evidence.saga_log if line.message_type == PaymentRefundFailed.type}
    helpless = [
        f"{saga.id} waits for a person, and no refund of it was refused"
        for saga in evidence.sagas
        if saga.status == _ATTENTION and saga.id in accepted and saga.id not in refused
    ]
    sentence = "Everything that was begun has come to its end, without a person's help where that can be."
    return result("L2 rest", sentence, len(evidence.sagas), (*evidence.still_open, *helpless))


def by_hand(evidence: Evidence) -> set[str]:
    """The sagas in which a person has taken something as done."""
    return {line.saga_id for line in evidence.saga_log if line.kind == "resolve"}


def _gaps(evidence: Evidence) -> Iterator[str]:
    numbers: dict[tuple[str, str], list[int]] = {}
    for event in evidence.outbox:
        numbers.setdefault((event.service, event.key), []).append(event.sequence)
    for (service, key), found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"{service} numbered what it told of {key} {sorted(found)}"


def _told_wrongly(evidence: Evidence) -> Iterator[str]:
    told = Counter((event.key, event.type) for event in evidence.outbox if event.service == ORDER.name)
    for order in evidence.orders:
        for kind, times in _TOLD.get(order.status, _TOLD_UNDER_WAY).items():
            if told[order.id, kind] != times:
                yield f"{order.id} is {order.status} and was told of by {told[order.id, kind]} {kind}"


def _log_apart(evidence: Evidence) -> Iterator[str]:
    """What the orchestrator sent stands in its log and in its outbox, once each; all of it says the same."""
    lines = Counter(line.event_id for line in evidence.saga_log if line.kind in {"command", "event"})
    events = {e.id for e in evidence.outbox if e.service == ORDER.name and e.topic != CANARY.name}
    for event_id in sorted(events | {i for i in lines if i}):
        if (lines[event_id], event_id in events) != (1, True):
            where = "in" if event_id in events else "not in"
            yield f"{event_id} is {lines[event_id]} times in the sagas' log and {where} the outbox"
    written = {event.id: (event.key, event.type) for event in evidence.outbox}
    for line in evidence.saga_log:
        told = line.saga_id, line.message_type
        if line.event_id and written.get(line.event_id, told) != told:
            yield f"the sagas' log has {line.event_id} as {told}, the outbox as {written[line.event_id]}"


def _moved_silently(evidence: Evidence) -> Iterator[str]:
    told = {(event.service, event.key, event.xact) for event in evidence.outbox}
    for money in evidence.money:
        if (PAYMENT.name, money.order_id, money.xact) not in told:
            yield f"the {money.operation} of {money.order_id} was told of in no event of its transaction"
    for move in evidence.stock_moves:
        if move.movement in {"reserve", "release"} and (INVENTORY.name, move.order_id, move.xact) not in told:
            yield f"the {move.movement} of {move.order_id} was told of in no event of its transaction"


def _told_otherwise(evidence: Evidence) -> Iterator[str]:
    totals = {order.id: order.total for order in evidence.orders}
    for event in evidence.outbox:
        if event.service == ORDER.name and event.total not in {None, totals.get(event.key)}:
            yield f"{event.key} of {totals.get(event.key)} was told of by {event.type} as of {event.total}"


def _orders_apart(evidence: Evidence) -> Iterator[str]:
    sagas = {saga.id: saga.status for saga in evidence.sagas}
    orders = {order.id: order.status for order in evidence.orders}
    for order_id in sorted(sagas.keys() | orders.keys()):
        saga, order = sagas.get(order_id), orders.get(order_id)
        if order not in _SHOWN.get(str(saga), ()):
            yield f"the saga of {order_id} is {saga}, its order {order}"


def _illegal_ways(evidence: Evidence) -> Iterator[str]:
    last: dict[str, str] = {}
    for line in sorted(evidence.saga_log, key=lambda each: each.number):
        before = last.get(line.saga_id, "RUNNING")
        if line.status not in _NEXT.get(before, ()):
            yield f"{line.saga_id} went from {before} to {line.status} by {line.kind}"
        last[line.saga_id] = line.status
    for saga in evidence.sagas:
        if last.get(saga.id) != saga.status:
            yield f"{saga.id} is {saga.status}, but its log ends with {last.get(saga.id)}"


def _undone_for_nothing(evidence: Evidence) -> Iterator[str]:
    charged = {money.order_id for money in evidence.money if money.operation == "charge"}
    for money in evidence.money:
        if money.operation == "refund" and money.order_id not in charged:
            yield f"{money.order_id} was refunded and never charged"
    moves = {(move.order_id, move.sku, move.movement): move.reserved for move in evidence.stock_moves}
    for (order_id, sku, movement), units in moves.items():
        reserved = moves.get((order_id, sku, "reserve"))
        if movement == "release" and reserved != -units:
            yield f"{order_id} released {-units} {sku} and had reserved {reserved}"
        if movement == "release" and (order_id, sku, "sell") in moves:
            yield f"{order_id} both released and sold {sku}"


def _done_behind_a_tombstone(evidence: Evidence) -> Iterator[str]:
    moved = {(PAYMENT.name, money.order_id) for money in evidence.money}
    moved |= {(INVENTORY.name, str(move.order_id)) for move in evidence.stock_moves}
    for fence in evidence.fences:
        if fence.state == "tombstone" and (fence.service, fence.saga_id) in moved:
            yield f"the {fence.step} of {fence.saga_id} was done although it had been undone before"
