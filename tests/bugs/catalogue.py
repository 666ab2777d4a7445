"""Every seeded bug: where it is, when it shows, and which invariants of the checker must find it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from chaos.orders import GOOD, Mix
from contracts.services import INVENTORY, ORDER
from stack.layout import DEADLINE_SECONDS
from tests.bugs import hands

API, WORKER, DEADLINES = ORDER.name, f"{ORDER.name}-worker", "order-deadlines"
STOCK, EXECUTOR = f"{INVENTORY.name}-worker", "payment-executor"
GATEWAY = "gateway"
# The shortest that a stack takes, and shorter than the wait for rest.
SHORTEST_DEADLINE_SECONDS = 15
MANY_CANCELLED = Mix(cancelled=70)
ALL_LOOKED_AT = Mix(looked_at=100)
MANY_TIMED_OUT = Mix(orders=((80, "tok_ok", ((GOOD, 1),)), (20, "tok_timeout_charged", ((GOOD, 1),))))

Act = Callable[[Any], None]


def nothing(_layout: Any) -> None:
    """Most bugs need nobody's hand."""


@dataclass(frozen=True)
class Bug:
    """One of `found_by` must find it. `nodes` are started with it, and with the `moment` in which it shows.

    `before` and `after` the orders something may be done to the running system. Each order may be cancelled
    some seconds after it was accepted.
    """

    found_by: frozenset[str]
    nodes: tuple[str, ...] = ()
    moment: str = "nothing"
    before: Act = nothing
    after: Act = nothing
    mix: Mix | None = None
    all_cancelled_after: float | None = None
    deadline_seconds: int = DEADLINE_SECONDS


def found_by(*codes: str, **known: Any) -> Bug:
    return Bug(frozenset(codes), **known)


def in_(*nodes: str, **known: Any) -> dict[str, Any]:
    return {"nodes": nodes, **known}


def relay(**settings: str) -> dict[str, Any]:
    return {"before": partial(hands.change_relay, **settings)}


# What is not done by then has been parked, and the order's customer has no more patience.
PARKED = {"before": hands.park, "after": hands.redrive, "all_cancelled_after": 2.0}
PLACEMENT = "id:header:ce_id,type:header:ce_type,aggregatetype:header:ce_source,created_at:header:ce_time,"
PLACEMENT += "sequence:header:sequence,saga_id:header:saga_id,traceparent:header:traceparent"
SOME = "org.apache.kafka.connect.transforms"

BUGS = {
    # a service says what it has not done, or does not do what it says
    "event_is_forgotten": found_by("S1", **in_(API)),
    "events_are_written_after_the_order": found_by("S1", **in_(API)),
    "event_outlives_its_order": found_by("S1", "S3", **in_(API)),
    "total_is_of_another": found_by("S1", **in_(API)),
    "answered_before_commit": found_by("S2", **in_(API)),
    "fewer_than_ordered": found_by("S17", **in_(API)),
    "order_does_not_follow": found_by("S13", **in_(WORKER)),
    "late_answer_is_believed": found_by("S13", mix=MANY_CANCELLED, **in_(WORKER)),
    "clock_stands_still": found_by(
        "L2",
        moment="executor_is_away",
        deadline_seconds=SHORTEST_DEADLINE_SECONDS,
        **in_(EXECUTOR, DEADLINES),
    ),
    # what a customer asks for again, and what it is shown
    "key_is_ignored": found_by("S16", **in_(API)),
    "key_is_kept_after_the_order": found_by("S3", **in_(API)),
    "another_body_is_taken": found_by("S16", **in_(API)),
    "status_goes_back": found_by("S15", mix=ALL_LOOKED_AT, **in_(API)),
    "anothers_order_is_shown": found_by("S17", **in_(API)),
    # consumers
    "offsets_before_processing": found_by("S10", **in_(WORKER)),
    "inbox_is_not_written": found_by("S10", **in_(WORKER)),
    "inbox_is_committed_first": found_by("S9", **in_(WORKER)),
    "everything_is_new": found_by("S9", moment="worker_dies", **in_(WORKER)),
    "aborted_records_are_read": found_by("S10", before=hands.abort_a_record, **in_(WORKER)),
    "letter_is_dropped": found_by("S10", "L2", **in_(STOCK)),
    "tombstone_is_forgotten": found_by("S14", **PARKED, **in_(STOCK)),
    # money
    "charged_twice": found_by("S11", **in_(EXECUTOR)),
    "charged_too_much": found_by("S11", **in_(EXECUTOR)),
    "call_is_repeated_under_a_new_key": found_by(
        "S11", moment="webhooks_are_lost", mix=MANY_TIMED_OUT, **in_(EXECUTOR, GATEWAY)
    ),
    "refunded_twice": found_by("S11", **in_(EXECUTOR)),
    "refund_is_kept": found_by("S11", **in_(EXECUTOR)),
    "payload_is_of_another": found_by("S11", **in_(API)),
    # stock
    "stock_is_not_counted": found_by("S12", before=hands.drop_check_of_stock, **in_(STOCK)),
    "release_keeps_the_stock": found_by(
        "S12", moment="stock_answers_come_late", all_cancelled_after=1.5, **in_(STOCK, WORKER)
    ),
    "sale_is_not_in_the_ledger": found_by("S12", **in_(STOCK)),
    # the outbox, and what is made of it
    "sequence_stands_still": found_by("S1", "S7", **in_(API, WORKER)),
    "sequence_skips": found_by("S1", **in_(API, WORKER)),
    "told_in_another_topic": found_by("S8", **in_(API, WORKER, DEADLINES)),
    "header_is_of_another_column": found_by(
        "S8", **relay(transforms__outbox__table__fields__additional__placement=PLACEMENT)
    ),
    "key_is_the_event": found_by("S8", **relay(transforms__outbox__table__field__event__key="id")),
    "relay_drops_some": found_by(
        "S4",
        **relay(
            transforms="specversion,specversionHeader,contentType,outbox,some",
            transforms__some__type=f"{SOME}.Filter",
            transforms__some__predicate="isSome",
            predicates="isOutbox,isSome",
            predicates__isSome__type=f"{SOME}.predicates.TopicNameMatches",
            predicates__isSome__pattern="order-completed",
        ),
    ),
    "records_are_deleted": found_by("S4", after=hands.delete_records),
    "events_are_cleared_away": found_by("S6", after=hands.clear_events_away),
    "record_is_no_services": found_by("S6", after=hands.write_past_the_outbox),
    "record_is_repeated": found_by("S5", after=hands.write_once_more),
}

# The same moments and hands without a bug: nothing may be found.
CONTROLS = {
    "webhooks_are_lost": Bug(frozenset(), (API, WORKER, STOCK, EXECUTOR, GATEWAY), mix=MANY_TIMED_OUT),
    "worker_dies+api_dies": Bug(frozenset(), (API, WORKER, STOCK), before=hands.abort_a_record),
    "many wait": Bug(frozenset(), **PARKED),
    "executor_is_away": Bug(frozenset(), (EXECUTOR,), deadline_seconds=SHORTEST_DEADLINE_SECONDS),
}
