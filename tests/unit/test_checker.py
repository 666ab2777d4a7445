"""The checker: a good system passes; what is damaged is caught by the invariant meant, and no other."""

from dataclasses import replace

import pytest

from chaos.checker import check
from chaos.rows import Letter, Place, Position, Receipt, Replay, Rewind
from chaos.verdict import VIOLATIONS_MAX, judge, not_tried, result
from tests.testimony import (
    OTHER_BODY,
    PRICE,
    a_fault,
    a_good_history,
    a_good_system,
    an_operation,
    looked,
    placed,
)

GOOD = a_good_system()
COMPLETED, FAILED, SOLD_OUT = (order.id for order in GOOD.orders[:3])
CREATED = next(event.id for event in GOOD.outbox if event.type == "order.created.v1")
FAILED_TOLD = next(event.id for event in GOOD.outbox if event.type == "order.failed.v1")
CAPTURED = next(event.id for event in GOOD.outbox if event.type == "payment.captured.v1")


def broken(evidence, operations=None):
    """The short names of the invariants that do not hold."""
    operations = a_good_history(GOOD) if operations is None else operations
    return {each.name.split()[0] for each in check(evidence, operations) if each.verdict == "invalid"}


def changed(table, where, **changes):
    """Good evidence in which the first row that is meant is another."""
    rows = list(getattr(GOOD, table))
    place = next(n for n, row in enumerate(rows) if where(row))
    rows[place] = rows[place]._replace(**changes)
    return replace(GOOD, **{table: tuple(rows)})


def without(table, where):
    rows = list(getattr(GOOD, table))
    rows.remove(next(row for row in rows if where(row)))
    return replace(GOOD, **{table: tuple(rows)})


def with_more(table, *rows):
    return replace(GOOD, **{table: (*getattr(GOOD, table), *rows)})


def record_of(event_id):
    return next(record for record in GOOD.records if record.id == event_id)


def in_log_and_reread(*records):
    """Both readings find more records."""
    places = [Place(r.topic, r.partition, r.offset, r.id) for r in records]
    return replace(GOOD, records=(*GOOD.records, *records), reread=(*GOOD.reread, *places))


def first(kind):
    return lambda row: row.type == kind


def of(order_id, **wanted):
    """The first row of an order with such values."""

    def is_meant(row):
        owners = {getattr(row, name, None) for name in ("order_id", "saga_id", "id")}
        return order_id in owners and all(getattr(row, name) == value for name, value in wanted.items())

    return is_meant


def moved(record, **changes):
    """Both readings find one record elsewhere, or another one there."""
    after = record._replace(**changes)
    places = [p for p in GOOD.reread if p.id != record.id]
    return replace(
        GOOD,
        records=tuple(after if r is record else r for r in GOOD.records),
        reread=(*places, Place(after.topic, after.partition, after.offset, after.id)),
    )


def moved_row_and_record(event_id, **changes):
    """An event stands in another topic, in its outbox and in Kafka alike."""
    evidence = moved(record_of(event_id), **changes)
    rows = tuple(e._replace(topic=changes["topic"]) if e.id == event_id else e for e in GOOD.outbox)
    return replace(evidence, outbox=rows)


def swapped():
    """An order's two first events in one topic have changed places: the charge and its refund."""
    one, two = (r for r in GOOD.records if r.key == SOLD_OUT and r.topic == "payment-commands")
    rows = {one.id: one._replace(offset=two.offset), two.id: two._replace(offset=one.offset)}
    records = tuple(rows.get(r.id, r) for r in GOOD.records)
    receipts = tuple(
        i._replace(offset=rows[i.event_id].offset) if i.event_id in rows else i for i in GOOD.inbox
    )
    places = tuple(Place(r.topic, r.partition, r.offset, r.id) for r in records)
    return replace(GOOD, records=records, inbox=receipts, reread=places)


def charged_twice():
    [charge] = [e for e in GOOD.gateway if e.key == f"charge-{COMPLETED}"]
    return with_more("gateway", charge._replace(number=99))


def ways_end_twice():
    line = GOOD.saga_log[-1]
    ends = ("COMPLETED", line.status)
    return with_more(
        "saga_log",
        *(
            line._replace(number=line.number + n, kind="reply", status=s, event_id=None)
            for n, s in enumerate(ends, 1)
        ),
    )


def restocked(number, on_hand, sold):
    """More is taken than there is, and put back: only in between it is wrong."""
    move = GOOD.stock_moves[0]
    return [
        move._replace(number=number + n, on_hand=h, movement="restock", sold=s)
        for n, (h, s) in enumerate(((on_hand, sold), (-on_hand, -sold)))
    ]


DAMAGE = {
    "S1: a number is left out": (
        "S1",
        changed("outbox", lambda e: e.id == CREATED, sequence=7),
        {"S8", "S7"},
    ),
    "S1: money moved in another transaction": ("S1", changed("money", of(COMPLETED), xact=-1), set()),
    "S1: stock moved in another transaction": (
        "S1",
        changed("stock_moves", of(COMPLETED, movement="reserve"), xact=-1),
        set(),
    ),
    "S1: a command is not in the saga's log": (
        "S1",
        without("saga_log", of(COMPLETED, message_type="payment.charge.v1")),
        set(),
    ),
    "S1: an order was told of with another total": (
        "S1",
        changed("outbox", first("order.created.v1"), total=PRICE - 1),
        set(),
    ),
    "S1: an order's end was told of as another": (
        "S1",
        changed("outbox", first("order.completed.v1"), type="order.failed.v1"),
        {"S8"},
    ),
    "S4: an event never came to Kafka": (
        "S4",
        replace(
            without("records", lambda r: r.id == CREATED),
            reread=tuple(p for p in GOOD.reread if p.id != CREATED),
        ),
        set(),
    ),
    "S5: an event is in Kafka twice": (
        "S5",
        in_log_and_reread(record_of(CREATED)._replace(offset=99)),
        set(),
    ),
    "S6: a record that no outbox holds": (
        "S6",
        in_log_and_reread(record_of(CREATED)._replace(offset=99, id="nobody's")),
        set(),
    ),
    "S6: a record without an id": (
        "S6",
        in_log_and_reread(record_of(CREATED)._replace(offset=99, id="")),
        set(),
    ),
    "S7: two events have changed places": ("S7", swapped(), set()),
    "S7: a key is in two partitions": (
        "S7",
        replace(
            m := moved(
                next(r for r in GOOD.records if r.key == SOLD_OUT and r.type == "payment.refund.v1"),
                partition=1,
            ),
            inbox=tuple(
                i._replace(partition=1) if i.event_id in {r.id for r in m.records if r.partition == 1} else i
                for i in m.inbox
            ),
        ),
        set(),
    ),
    "S7: two readers find two things": (
        "S7",
        changed("reread", lambda p: p.id == CREATED, id="another"),
        set(),
    ),
    "S8: an event was written for a topic where nobody looks for it": (
        "S8",
        moved_row_and_record(FAILED_TOLD, topic="order-created", offset=99),
        set(),
    ),
    "S8: another payload": ("S8", changed("records", lambda r: r.id == CREATED, digest="0"), set()),
    "S8: another type": ("S8", changed("records", lambda r: r.id == CREATED, type="order.failed.v1"), set()),
    "S8: a header is lost": ("S8", changed("records", lambda r: r.id == CREATED, sequence=""), set()),
    "S9: an event was acted on twice": (
        "S9",
        with_more(
            "saga_log",
            next(s for s in GOOD.saga_log if s.event_id == CAPTURED)._replace(
                number=0, kind="ignored", status="RUNNING"
            ),
        ),
        set(),
    ),
    "S9: an event was received and not acted on": (
        "S9",
        changed("saga_log", lambda line: line.event_id == CAPTURED, event_id=None),
        set(),
    ),
    "S9: a command went past its fence": ("S9", without("fences", of(COMPLETED, step="reserve")), set()),
    "S9: a receipt is there twice": ("S9", with_more("inbox", GOOD.inbox[0]), set()),
    "S10: an event was not received": (
        "S10",
        without("inbox", lambda i: i.consumer == "inventory" and i.topic == "order-completed"),
        set(),
    ),
    "S10: an aborted record was received": (
        "S10",
        changed("inbox", lambda i: i.consumer == "payment", offset=77),
        set(),
    ),
    "S11: the gateway charged twice": ("S11", charged_twice(), set()),
    "S11: a completed order is not paid for": ("S11", changed("payments", of(COMPLETED), captured=0), set()),
    "S11: a failed order's money was kept": ("S11", changed("payments", of(SOLD_OUT), refunded=0), set()),
    "S11: the gateway was asked for what nobody meant": (
        "S11",
        changed("gateway", lambda g: g.key == f"charge-{FAILED}", key="unknown"),
        set(),
    ),
    "S11: the ledger has another amount": ("S11", changed("money", of(COMPLETED), amount=PRICE - 1), set()),
    "S11: an order has no payment": ("S11", without("payments", of(FAILED)), set()),
    "S12: a unit is gone": ("S12", changed("stock", lambda s: s.sku == "PIZZA", on_hand=7), set()),
    "S12: stock was below zero for a moment": (
        "S12",
        with_more("stock_moves", *restocked(90, -50, 0)),
        set(),
    ),
    "S12: a finished order holds stock": (
        "S12",
        changed("reservations", of(SOLD_OUT), status="RESERVED"),
        set(),
    ),
    "S12: a completed order has nothing sold": (
        "S12",
        changed("reservations", of(COMPLETED), status="RELEASED"),
        set(),
    ),
    "S11: a call is still to be made": ("S11", changed("intents", of(FAILED), state="REQUESTED"), set()),
    "S11: a payment says something else": (
        "S11",
        changed("payments", of(COMPLETED), status="DECLINED"),
        set(),
    ),
    "S11: the gateway has forgotten a charge": (
        "S11",
        without("gateway", lambda g: g.key == f"charge-{FAILED}"),
        set(),
    ),
    "S12: a movement is no such thing": (
        "S12",
        changed("stock_moves", of(COMPLETED, movement="sell"), movement="lend"),
        set(),
    ),
    "S12: something else was reserved": (
        "S12",
        changed("reservations", of(COMPLETED), items=(("PIZZA", 2),)),
        set(),
    ),
    "S12: the stock of a sku is gone": ("S12", without("stock", lambda s: s.sku == "PIZZA"), set()),
    "S1: log and outbox tell different things": (
        "S1",
        changed(
            "saga_log", of(COMPLETED, message_type="payment.captured.v1"), message_type="stock.reserved.v1"
        ),
        set(),
    ),
    "S13: a saga ended twice": ("S13", ways_end_twice(), set()),
    "S13: order and saga disagree": ("S13", changed("sagas", of(FAILED), status="COMPLETED"), {"S14"}),
    "S13: a saga is under way at rest": ("S13", changed("sagas", of(FAILED), status="RUNNING"), set()),
    "S13: a log ends otherwise": ("S13", changed("sagas", of(FAILED), status="NEEDS_ATTENTION"), {"L2"}),
    "S14: a compensated step stands": (
        "S14",
        changed("fences", of(SOLD_OUT, step="charge"), state="done"),
        set(),
    ),
    "S14: something was done behind a tombstone": (
        "S14",
        changed("fences", of(SOLD_OUT, step="charge"), state="tombstone"),
        set(),
    ),
    "S14: a completed order's stock was released": (
        "S14",
        with_more(
            "stock_moves",
            next(m for m in GOOD.stock_moves if m.movement == "reserve")._replace(
                number=80, movement="release", on_hand=0, reserved=0
            ),
        ),
        {"S12"},
    ),
    "L2: something is still open": ("L2", replace(GOOD, still_open=("1 sagas under way: x",)), set()),
}


@pytest.mark.parametrize(("meant", "evidence", "also"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_evidence_is_caught_by_the_invariant_meant(meant, evidence, also):
    found = broken(evidence)

    assert meant in found
    assert found - also <= {meant}


HISTORIES = {
    "S2: an accepted order is gone": ("S2", [placed("lost")]),
    "S3: a key made two orders": ("S3", [placed(COMPLETED, "unknown", key="key-twice")]),
    "S3: a refused order is there": ("S3", [placed(FAILED, "fail")]),
    "S3: an order that nobody asked for": ("S3", [placed(COMPLETED)]),
    "S15: a status went back": ("S15", [looked(COMPLETED, "PAID", 1), looked(COMPLETED, "PENDING", 2)]),
    "S15: a final status was another": ("S15", [looked(FAILED, "CANCELLED")]),
    "S16: a repeat was answered with another order": (
        "S16",
        [placed(COMPLETED), placed(FAILED, kind="repeat", key=f"key-{COMPLETED}")],
    ),
    "S16: another body was taken under a used key": (
        "S16",
        [placed(COMPLETED), placed(COMPLETED, kind="repeat", body=OTHER_BODY)],
    ),
    "S16: the same body was refused": (
        "S16",
        [placed(COMPLETED), placed(COMPLETED, "fail", "repeat", status=422)],
    ),
    "S16: a key was forgotten": ("S16", [placed(COMPLETED, key="key-forgotten")]),
    "S17: another's order was shown": ("S17", [looked(COMPLETED, "PENDING", told_of=FAILED)]),
    "S17: one order was answered to two keys": (
        "S17",
        [placed(COMPLETED), placed(COMPLETED, key=f"key-{FAILED}")],
    ),
    "S17: something else was ordered": ("S17", [placed(COMPLETED, body=OTHER_BODY)]),
}
SEEN_WITH = {
    "S3: a key made two orders": with_more(
        "keys", *(GOOD.keys[0]._replace(key="key-twice", order_id=o) for o in (COMPLETED, FAILED))
    ),
    "S3: an order that nobody asked for": without("keys", lambda k: k.order_id == SOLD_OUT),
}
# What cannot be told apart: an answer with another's order breaks more than one promise.
ALSO = {
    "S16: a repeat was answered with another order": {"S17"},
    "S16: another body was taken under a used key": {"S17"},
}


@pytest.mark.parametrize("case", HISTORIES)
def test_a_bad_history_is_caught_by_the_invariant_meant(case):
    meant, operations = HISTORIES[case]

    found = broken(SEEN_WITH.get(case, GOOD), operations)

    assert meant in found
    assert found - ALSO.get(case, set()) <= {meant}


def test_a_good_system_passes_every_invariant():
    results = check(GOOD, a_good_history(GOOD))

    assert [(each.name, each.violations) for each in results if each.found] == []
    assert [each.name for each in results if each.verdict != "valid" and "S16" not in each.name] == []


HARMLESS = {
    "an unknown outcome with an order": [placed(COMPLETED, "unknown")],
    "an unknown outcome without one": [placed("never", None)],
    "a refused order that was placed after all, by its repeat": [
        placed(COMPLETED, "fail"),
        placed(COMPLETED, kind="repeat"),
    ],
    "another body came first": [
        placed(COMPLETED, "fail", body=OTHER_BODY),
        placed(COMPLETED, kind="repeat"),
        placed(COMPLETED, "fail", "repeat", body=OTHER_BODY, status=422),
    ],
    "two looks at once": [looked(COMPLETED, "PAID", 1, took=3), looked(COMPLETED, "PENDING", 2, took=3)],
    "a cancelled order is seen twice": [
        looked(COMPLETED, "PENDING", 1, kind="cancel"),
        looked(COMPLETED, "COMPLETED", 2),
    ],
}


@pytest.mark.parametrize("operations", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_may_happen_is_no_violation(operations):
    assert broken(GOOD, operations) == set()


def test_a_repeat_that_was_asked_for_is_told_and_is_no_violation():
    again = in_log_and_reread(record_of(CREATED)._replace(offset=99))
    replay = Replay("order", CREATED, "order-created", "0", "an operator", "a drill")

    evidence = replace(again, replays=(replay,))

    assert broken(evidence) == set()
    assert "an operator" in next(r.sentence for r in check(evidence, ()) if r.name.startswith("S5"))


@pytest.mark.parametrize(
    ("service", "seconds_before", "found"),
    [("order", 5.0, set()), ("order", -5.0, {"S5"}), ("order", 500.0, {"S5"}), ("payment", 5.0, {"S5"})],
    ids=["it explains it", "it came later", "long ago", "of another relay"],
)
def test_a_repeat_is_excused_by_a_recovery_right_before_it(service, seconds_before, found):
    again = record_of(CREATED)
    rewind = Rewind(service, "offsets-lost", "an operator", again.at + 100 - seconds_before)
    repeated = in_log_and_reread(again._replace(offset=99, at=again.at + 100))

    evidence = replace(repeated, rewinds=(rewind,))

    assert broken(evidence) == found
    [told] = [r.sentence for r in check(evidence, ()) if r.name.startswith("S5")]
    assert ("1 repeats are on record" in told) == (not found)


def test_a_repeat_that_was_asked_for_counts_beside_one_that_is_excused():
    first = record_of(CREATED)
    rewind = Rewind("order", "offsets-lost", "an operator", first.at)
    replay = Replay("order", CREATED, "order-created", "0", "an operator", "a drill")
    twice = in_log_and_reread(first._replace(offset=98, at=first.at + 1))
    thrice = replace(
        twice,
        records=(*twice.records, first._replace(offset=99, at=first.at + 999)),
        reread=(*twice.reread, Place(first.topic, first.partition, 99, first.id)),
        rewinds=(rewind,),
    )

    assert broken(thrice) == {"S5"}
    assert broken(replace(thrice, replays=(replay,))) == set()


def test_what_was_sent_again_may_have_been_received_in_a_topic_that_is_gone():
    replay = Replay("order", CREATED, "order-created", "0", "an operator", "a drill")
    [receipt] = [each for each in GOOD.inbox if each.event_id == CAPTURED]
    elsewhere = replace(GOOD, inbox=tuple(r._replace(offset=77) if r is receipt else r for r in GOOD.inbox))

    assert broken(elsewhere) == {"S10"}
    assert broken(replace(elsewhere, replays=(replay,))) == {"S10"}, "it was not sent again"
    assert broken(replace(elsewhere, replays=(replay._replace(id=CAPTURED),))) == set()


def test_records_past_the_outbox_must_be_announced_and_parked():
    stray = record_of(CAPTURED)._replace(offset=99, id="", source="/chaos")
    letter = Letter("order", None, stray.topic, 0, 99, "key", "stray", redriven=False)

    announced = replace(in_log_and_reread(stray), strangers=("/chaos",))

    assert broken(in_log_and_reread(stray)) == {"S6", "S10"}
    assert broken(announced) == {"S10"}
    assert broken(replace(announced, dead_letters=(letter,))) == set()


def test_an_offset_that_ran_ahead_is_named_as_such():
    seen = without("inbox", lambda i: i.consumer == "inventory" and i.topic == "order-completed")
    behind = replace(seen, positions=tuple(Position(*p[:3], 0) for p in seen.positions))

    def told(evidence):
        return next(r.violations[0] for r in check(evidence, ()) if r.name.startswith("S10"))

    assert "its committed offset is beyond it" in told(seen)
    assert "yet" in told(behind)


def test_a_parked_reply_waits_in_plain_sight():
    letter = Letter("order", CAPTURED, "payment-success", 0, 0, COMPLETED, "culprit", redriven=False)
    unlogged = changed("saga_log", lambda line: line.event_id == CAPTURED, event_id=None)

    assert broken(replace(unlogged, dead_letters=(letter,))) == set()


def test_what_a_person_settled_is_theirs_to_account_for():
    kept = changed("payments", of(SOLD_OUT), refunded=0, status="CAPTURED")
    kept = replace(kept, money=tuple(m for m in kept.money if not of(SOLD_OUT, operation="refund")(m)))
    refused = tuple(g._replace(declined="no") if g.key == f"refund-{SOLD_OUT}" else g for g in kept.gateway)
    kept = replace(kept, gateway=refused)
    note = GOOD.saga_log[0]._replace(number=0, saga_id=SOLD_OUT, kind="resolve", status="RUNNING")

    assert broken(kept) == {"S11"}
    assert broken(replace(kept, saga_log=(note, *kept.saga_log))) == set()


def test_a_call_that_a_person_has_settled_may_stay_unanswered():
    asked = changed("intents", of(FAILED), state="REQUESTED")
    note = GOOD.saga_log[0]._replace(number=0, saga_id=FAILED, kind="resolve", status="RUNNING")

    assert broken(asked) == {"S11"}
    assert broken(replace(asked, saga_log=(note, *asked.saga_log))) == set()


def waiting_for_a_person(order_id, *lines):
    """A saga that stands where its refund was asked for."""
    log = tuple(line for line in GOOD.saga_log if line.saga_id != order_id)
    begun, last = GOOD.saga_log[0], GOOD.saga_log[-1].number + 1
    told = [
        begun._replace(number=last, saga_id=order_id, status="COMPENSATING"),
        *(
            begun._replace(number=last, saga_id=order_id, kind="reply", status="COMPENSATING", message_type=m)
            for m in lines
        ),
        begun._replace(number=last + 1, saga_id=order_id, kind="expired", status="NEEDS_ATTENTION"),
    ]
    sagas = tuple(s._replace(status="NEEDS_ATTENTION") if s.id == order_id else s for s in GOOD.sagas)
    return replace(GOOD, sagas=sagas, saga_log=(*log, *told))


def test_only_a_gateway_that_keeps_the_money_is_a_reason_to_wait_for_a_person():
    left_alone = waiting_for_a_person(SOLD_OUT)
    refused = waiting_for_a_person(SOLD_OUT, "payment.refund-failed.v1")

    assert "L2" in broken(left_alone)
    assert "L2" not in broken(refused)
    assert "L2" not in broken(left_alone, [placed(COMPLETED)]), "another's order"


def test_a_gateway_that_was_not_asked_is_said_to_be():
    money = next(r for r in check(replace(GOOD, gateway=None), ()) if r.name.startswith("S11"))

    assert money.verdict == "valid"
    assert "was not asked" in money.sentence


def test_nothing_to_look_at_is_unknown_and_not_valid():
    answers = [each for each in check(GOOD, ()) if each.name.split()[0] in {"S2", "S3", "S15", "S16", "S17"}]

    assert {each.verdict for each in answers} == {"unknown"}


def test_violations_are_counted_whole_and_shown_in_part():
    many = result("S0", "a sentence", 100, (str(n) for n in range(90)))

    assert (many.verdict, many.found, len(many.violations)) == ("invalid", 90, VIOLATIONS_MAX)


def test_a_zero_says_how_much_it_is_worth():
    assert result("S0", "", 300, ()).bound == pytest.approx(0.01)
    assert result("S0", "", 2, ()).bound == 1
    assert result("S0", "", 0, ()).bound is None
    assert result("S0", "", 300, ["one"]).bound is None


def a_run(*faults, good=60, bad=0):
    return [
        *(placed(f"o{n}", at=n / 10) for n in range(good)),
        *(placed(f"b{n}", "unknown", at=n / 10) for n in range(bad)),
        *faults,
    ]


GOOD_RESULTS = (result("S1", "", 1, ()),)
DOUBTS = {
    "no fault happened": (a_run(), "no fault happened"),
    "a fault was not seen": (a_run(a_fault(effect=())), "no effect was seen"),
    "many faults were not seen": (a_run(a_fault(), a_fault(3, effect=())), "1 of 2 faults were not seen"),
    "a fault never ended": (a_run(a_fault(outcome=None)), "no effect was seen"),
    "nothing was asked meanwhile": (a_run(a_fault(at=50)), "no effect was seen while something was asked"),
    "too few operations": (a_run(a_fault(), good=49), "only 49 operations"),
    "too many went wrong": (a_run(a_fault(), bad=20), "only 75% of 80"),
}


@pytest.mark.parametrize(("operations", "reason"), DOUBTS.values(), ids=DOUBTS.keys())
def test_what_proves_nothing_is_unknown(operations, reason):
    judgement = judge(GOOD_RESULTS, operations)

    assert judgement.verdict == "unknown"
    assert any(reason in each for each in judgement.reasons), judgement


def test_who_asks_again_until_the_answer_is_known_has_asked_once():
    """Nine in ten of these went wrong, as attempts; as orders none did."""
    asked = [
        replace(each, begin=replace(each.begin, key=f"k{n}", number=10 * n + attempt))
        for n in range(60)
        for attempt, each in enumerate(
            [placed(f"o{n}", "unknown", at=n / 10)] * 9 + [placed(f"o{n}", at=n / 10)]
        )
    ]
    for_ever = [each for each in asked if each.outcome == "unknown"]

    assert judge(GOOD_RESULTS, [*asked, a_fault()]).verdict == "valid"
    assert judge(GOOD_RESULTS, [*for_ever, a_fault()]).verdict == "unknown"


def test_a_round_that_was_cut_short_says_what_was_not_tried():
    meant = ["kill -9: leader broker", "kill -9: controller broker"]

    assert not_tried(a_run(a_fault()), meant) == ["kill -9: controller broker"]
    assert not_tried(a_run(a_fault()), meant[:1]) == []


def test_a_fault_now_and_then_may_find_nobody():
    worked = [a_fault(at=n / 10) for n in range(10)]

    assert judge(GOOD_RESULTS, a_run(*worked, a_fault(3, effect=()))).verdict == "valid"


def test_a_run_with_faults_that_worked_is_valid():
    refused = [placed(f"m{n}", "fail", "repeat", status=422) for n in range(30)]
    meant = [replace(each, begin=replace(each.begin, value={"other_body": True})) for each in refused]
    late = [an_operation(kind, "fail", status=409) for kind in ("cancel", "repeat") for _ in range(15)]

    assert judge(GOOD_RESULTS, [*a_run(a_fault()), *meant, *late]).verdict == "valid"
    assert judge(GOOD_RESULTS, [*a_run(a_fault()), *refused, *late]).verdict == "unknown"


def test_an_invariant_that_saw_nothing_makes_no_run_valid():
    judgement = judge([*GOOD_RESULTS, result("S16 HTTP idempotency", "", 0, [])], a_run(a_fault()))

    assert judgement.reasons == ("S16 HTTP idempotency: there was nothing to look at",)


def test_a_broken_promise_counts_however_little_was_asked():
    judgement = judge([*GOOD_RESULTS, result("S4 relay completeness", "", 9, ["lost"])], [])

    assert judgement.verdict == "invalid"
    assert judgement.reasons == ("S4 relay completeness: 1 violations",)


def test_a_receipt_of_what_nobody_wrote_is_caught():
    assert broken(with_more("inbox", Receipt("payment", "ghost", "payment-commands", 0, 55))) == {"S10"}
