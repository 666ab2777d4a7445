"""An order's saga, reply by reply, on real tables."""

import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import create_engine, text

from contracts.messages import (
    Item,
    PaymentCommandParked,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRefundFailed,
    StockRejected,
    StockReleased,
    StockReserved,
)
from contracts.topics import watched_by
from messaging.alarm import Alarm
from messaging.batch import BatchProcessor
from messaging.errors import MomentaryFault
from order import handlers, queries
from order.saga import Patience
from runtime.lookback import LookBack
from saga import people, sql
from saga.alarm import stuck_sagas
from saga.deadlines import Clock, Deadlines
from saga.heartbeats import see
from saga.people import By, NotPossible, UnknownSaga
from tests.builders import EUROS, a_delivery, captured

CLOCK = Clock(watched_by("order"))


def told_deadlines():
    """How many sagas this process has told that the clock moved, and that it could not."""
    outcomes = ("moved", "set-aside")
    return [
        REGISTRY.get_sample_value("neverlost_saga_deadlines_total", {"outcome": o}) or 0 for o in outcomes
    ]


@pytest.fixture
def shop(engine_of):
    return Shop(engine_of("order"), engine_of("order", "migrator"))


class Shop:
    def __init__(self, engine, owner):
        self.engine, self.owner = engine, owner
        self.consumer = handlers.consumer(Patience(60, 120))
        self.sagas = handlers.orchestrator(Patience(60, 120))
        self.processor = BatchProcessor(engine, self.consumer)

    def place(self) -> UUID:
        with self.engine.begin() as connection:
            basket = handlers.Basket([Item(sku="PIZZA", quantity=1)], "tok_ok")
            [order] = handlers.place_orders(connection, self.sagas, [basket])
            return order.id

    def newer(self) -> UUID:
        """An order whose saga a newer release has begun."""
        order_id = self.place()
        with self.owner.begin() as connection:
            connection.execute(text("UPDATE sagas SET version = 9 WHERE id = :id"), {"id": order_id})
        return order_id

    def receives(self, *messages):
        self.processor.process([a_delivery(m) for m in messages])

    def undoes(self, order_id):
        """Both participants answer that they have undone what they may have done."""
        self.receives(refunded(order_id))
        self.receives(released(order_id))

    def cancel(self, order_id):
        with self.engine.begin() as connection:
            people.cancel(self.sagas, connection, order_id, By("customer"))

    def act(self, what, order_id, **how):
        with self.engine.begin() as connection:
            what(self.sagas, connection, order_id, By("operator", "as agreed"), **how)

    def beats(self, *relays):
        with self.engine.begin() as connection:
            see(connection, relays or CLOCK.relays)

    def time_passes(self, seconds):
        """As if it had: every time that is kept moves back."""
        back = timedelta(seconds=seconds)
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "UPDATE sagas SET due_at = due_at - :back, updated_at = updated_at - :back,"
                    " steps = (SELECT jsonb_object_agg(key, jsonb_set(value, '{3}', CASE"
                    "   WHEN value->>3 IS NULL THEN 'null'::jsonb"
                    "   ELSE to_jsonb((value->>3)::timestamptz - :back) END)) FROM jsonb_each(steps))"
                ),
                {"back": back},
            )
            connection.execute(
                text(
                    "UPDATE relay_heartbeats"
                    " SET seen_at = seen_at - :back, steady_since = steady_since - :back"
                ),
                {"back": back},
            )

    def beats_for(self, seconds):
        """Time passes, and all relays beat all the while."""
        for _ in range(0, seconds, 5):
            self.time_passes(5)
            self.beats()

    def clock_ticks(self, clock=CLOCK):
        return Deadlines(self.engine, self.sagas, clock, threading.Event()).turn()

    def saga(self, order_id):
        with self.engine.connect() as connection:
            row = connection.execute(sql.GET_SAGA, {"id": order_id}).one()
        return row.status, row.awaits

    def status(self, order_id):
        return self.state(order_id)[0]

    def state(self, order_id):
        """(status, what was told, its numbers)."""
        with self.owner.connect() as connection:
            order = connection.execute(queries.GET_ORDER, {"id": order_id}).one()
            told = connection.execute(
                text("SELECT type, sequence FROM outbox WHERE aggregateid = :id ORDER BY id"),
                {"id": str(order_id)},
            ).all()
        return order.status, [row.type for row in told], [row.sequence for row in told]

    def needs_attention(self, order_id):
        with self.engine.connect() as connection:
            return connection.execute(queries.GET_ORDER, {"id": order_id}).one().needs_attention

    def log(self, order_id):
        with self.engine.connect() as connection:
            return people.find(connection, order_id)[1]


def refunded(order_id, epoch=1):
    return PaymentRefunded(order_id=order_id, total=EUROS, epoch=epoch)


def released(order_id):
    return StockReleased(order_id=order_id)


def refund_failed(order_id, epoch):
    return PaymentRefundFailed(order_id=order_id, reason="no", epoch=epoch)


PLACED = ["order.created.v1", "payment.charge.v1", "inventory.reserve.v1"]
UNDONE = [*PLACED, "payment.refund.v1", "inventory.release.v1"]


def test_paid_and_reserved_is_completed(shop):
    order = shop.place()

    shop.receives(captured(order))
    assert shop.state(order) == ("PAID", PLACED, [1, 2, 3])
    assert shop.saga(order) == ("RUNNING", ["reserve"])

    shop.receives(StockReserved(order_id=order))
    assert shop.state(order) == ("COMPLETED", [*PLACED, "order.completed.v1"], [1, 2, 3, 4])
    assert shop.saga(order) == ("COMPLETED", [])


def test_reserved_and_then_paid_is_completed_just_so(shop):
    order = shop.place()

    shop.receives(StockReserved(order_id=order))
    assert shop.state(order) == ("PENDING", PLACED, [1, 2, 3])
    shop.receives(captured(order))

    assert shop.state(order) == ("COMPLETED", [*PLACED, "order.completed.v1"], [1, 2, 3, 4])


def test_declined_is_failed_once_the_stock_is_given_back(shop):
    order = shop.place()

    shop.receives(PaymentDeclined(order_id=order, reason="no"))
    assert shop.saga(order) == ("COMPENSATING", ["undo reserve"])
    shop.receives(StockReserved(order_id=order))  # late: the participant sees to it
    shop.receives(released(order))

    told = [*PLACED, "inventory.release.v1", "order.failed.v1"]
    assert shop.state(order) == ("FAILED", told, [1, 2, 3, 4, 5])


def test_out_of_stock_is_refunded_first(shop):
    order = shop.place()

    shop.receives(captured(order))
    shop.receives(StockRejected(order_id=order, reason="none left"))
    assert shop.state(order)[:2] == ("PAID", [*PLACED, "payment.refund.v1"])
    assert shop.saga(order) == ("COMPENSATING", ["undo charge"])

    shop.receives(refunded(order))
    assert shop.status(order) == "OUT_OF_STOCK"


def test_declined_and_out_of_stock_at_once_has_nothing_to_undo_twice(shop):
    order = shop.place()

    shop.receives(StockRejected(order_id=order, reason="none left"))
    shop.receives(PaymentDeclined(order_id=order, reason="no"))
    assert shop.saga(order) == ("COMPENSATING", ["undo charge"])
    shop.receives(refunded(order))

    assert shop.state(order)[:2] == ("OUT_OF_STOCK", [*PLACED, "payment.refund.v1", "order.failed.v1"])


def test_replies_of_one_order_in_one_batch_are_taken_in_order(shop):
    orders = [shop.place() for _ in range(3)]

    shop.receives(
        *(captured(order) for order in orders), *(StockReserved(order_id=order) for order in orders)
    )

    assert {shop.status(order) for order in orders} == {"COMPLETED"}


@pytest.mark.parametrize(
    "late",
    [
        captured,
        lambda i: PaymentDeclined(order_id=i, reason="no"),
        lambda i: StockReserved(order_id=i, epoch=2),
        refunded,
    ],
)
def test_a_reply_that_is_not_awaited_changes_nothing_and_is_noted(shop, late):
    order = shop.place()
    shop.receives(captured(order))
    before = shop.state(order)

    shop.receives(late(order))

    assert shop.state(order) == before
    assert shop.log(order)[-1].kind == "ignored"


def test_a_reply_for_an_order_that_does_not_exist_is_parked(shop):
    stranger, order = uuid4(), shop.place()

    shop.receives(captured(stranger), captured(order))

    assert shop.status(order) == "PAID"
    with shop.owner.connect() as connection:
        assert connection.execute(text("SELECT key FROM dead_letters")).scalars().all() == [str(stranger)]


def test_an_order_whose_message_is_parked_needs_attention(shop):
    held, well = shop.place(), shop.place()

    shop.processor.process([a_delivery(captured(held), value=b"{}"), a_delivery(captured(well))])

    assert shop.needs_attention(held)
    assert not shop.needs_attention(well)


def test_the_statements_of_a_batch_do_not_grow_with_it(shop, statements_on):
    few, many = [shop.place() for _ in range(2)], [shop.place() for _ in range(40)]
    shop.receives(captured(shop.place()))  # the first batch of all also looks for partitions

    with statements_on(shop.engine) as for_few:
        shop.receives(*(captured(order) for order in few))
    with statements_on(shop.engine) as for_many:
        shop.receives(*(captured(order) for order in many))

    assert len(for_many) == len(for_few)
    assert {shop.status(order) for order in many} == {"PAID"}


def test_both_answers_of_an_order_in_one_batch_take_no_more_statements_than_the_last_alone(
    shop, statements_on
):
    at_once, later = shop.place(), shop.place()
    shop.receives(StockReserved(order_id=later))

    with statements_on(shop.engine) as for_one:
        shop.receives(captured(later))
    with statements_on(shop.engine) as for_both:
        shop.receives(StockReserved(order_id=at_once), captured(at_once))

    assert len(for_both) == len(for_one)
    assert (
        shop.state(at_once)
        == shop.state(later)
        == ("COMPLETED", [*PLACED, "order.completed.v1"], [1, 2, 3, 4])
    )
    assert [line.kind for line in shop.log(at_once)][-3:] == ["reply", "reply", "event"]


def test_what_a_saga_does_not_await_after_what_came_before_it_in_the_batch_is_ignored(shop):
    order = shop.place()

    shop.receives(StockRejected(order_id=order, reason="none left"), captured(order), captured(order))

    assert shop.state(order)[:2] == ("PENDING", [*PLACED, "payment.refund.v1"])
    assert shop.saga(order) == ("COMPENSATING", ["undo charge"])
    assert [line.kind for line in shop.log(order)][-4:] == ["reply", "ignored", "ignored", "command"]


def test_the_token_is_forgotten_once_the_payment_service_has_answered(shop):
    waits, paid = shop.place(), shop.place()

    shop.receives(captured(paid))

    with shop.engine.connect() as connection:
        rows = connection.execute(queries.READ_ORDERS, {"ids": [waits, paid]})
        assert {row.id: row.payment_token for row in rows} == {waits: "tok_ok", paid: None}


class TestCancelling:
    def test_before_the_money_has_come_it_is_refunded_all_the_same(self, shop):
        order = shop.place()

        shop.cancel(order)
        assert shop.state(order)[:2] == ("PENDING", UNDONE)
        shop.receives(captured(order))  # late: the participant sees to it
        shop.undoes(order)

        assert shop.state(order)[:2] == ("CANCELLED", [*UNDONE, "order.failed.v1"])

    def test_while_stock_is_asked_for_it_is_released_and_refunded(self, shop):
        order = shop.place()
        shop.receives(captured(order))

        shop.cancel(order)
        shop.receives(StockReserved(order_id=order))
        shop.receives(released(order))
        assert shop.saga(order) == ("COMPENSATING", ["undo charge"])
        shop.receives(refunded(order))

        assert shop.status(order) == "CANCELLED"

    def test_a_second_time_changes_nothing(self, shop):
        order = shop.place()
        shop.cancel(order)
        before = shop.state(order)

        shop.cancel(order)

        assert shop.state(order) == before

    @pytest.mark.parametrize("after", ["completed", "failed", "refused"])
    def test_is_too_late(self, shop, after):
        order = shop.place()
        if after == "failed":
            shop.receives(PaymentDeclined(order_id=order, reason="no"))
        else:
            good = after == "completed"
            shop.receives(captured(order))
            shop.receives(
                StockReserved(order_id=order) if good else StockRejected(order_id=order, reason="none")
            )
        before = shop.state(order)

        with pytest.raises(NotPossible):
            shop.cancel(order)

        assert shop.state(order) == before

    def test_of_an_order_that_does_not_exist(self, shop):
        with pytest.raises(UnknownSaga):
            shop.cancel(uuid4())


class TestDeadlines:
    def test_an_answer_that_does_not_come_turns_the_order_round(self, shop):
        order = shop.place()
        shop.beats()
        shop.time_passes(61)
        shop.beats()
        assert shop.clock_ticks() == 0  # the relays were silent: the deadline is given once more
        shop.beats_for(65)

        assert shop.clock_ticks() == 1

        assert shop.saga(order) == ("COMPENSATING", ["undo charge", "undo reserve"])
        shop.undoes(order)
        assert shop.status(order) == "CANCELLED"

    def test_one_that_had_to_wait_is_not_forgotten(self, shop):
        now = [1000.0]
        deadlines = Deadlines(shop.engine, shop.sagas, Clock(CLOCK.relays, 0), threading.Event())
        deadlines._look_back = LookBack(15.0, clock=lambda: now[0])
        shop.place()
        shop.beats()
        assert deadlines.turn() == 0
        shop.beats_for(70)  # it is due since ten seconds
        now[0] = 1010.0
        assert deadlines.turn() == 0  # nothing may be moved in this minute
        deadlines._clock = CLOCK

        now[0] = 1014.0
        assert deadlines.turn() == 1

    @pytest.mark.parametrize("silent", CLOCK.relays)
    def test_none_passes_while_a_relay_is_silent(self, shop, silent):
        order = shop.place()
        shop.beats()
        for _ in range(20):
            shop.time_passes(9)
            shop.beats(*(relay for relay in CLOCK.relays if relay != silent))
            assert shop.clock_ticks() == 0

        assert shop.saga(order) == ("RUNNING", ["charge", "reserve"])

    def test_after_a_silence_it_is_given_in_full_however_late_the_other_answer_came(self, shop):
        order = shop.place()
        shop.beats()
        shop.beats_for(55)
        shop.receives(captured(order))
        shop.time_passes(20)
        shop.beats()

        shop.beats_for(50)
        assert shop.clock_ticks() == 0
        shop.beats_for(15)

        assert shop.clock_ticks() == 1

    def test_a_clock_that_is_set_back_silences_no_relay(self, shop):
        shop.beats()
        shop.time_passes(-300)
        shop.beats()

        shop.place()
        shop.beats_for(65)

        assert shop.clock_ticks() == 1

    def test_none_passes_before_every_relay_was_seen(self, shop):
        shop.place()
        shop.time_passes(1000)

        assert shop.clock_ticks() == 0

    def test_many_at_once_are_capped_by_the_minute(self, shop):
        for _ in range(5):
            shop.place()
        shop.beats()
        shop.beats_for(100)

        moved = [shop.clock_ticks(Clock(CLOCK.relays, 3)) for _ in range(3)]

        assert sum(moved) in {3, 5}  # 5 where a minute began in between
        assert max(moved) <= 3

    def test_a_compensation_that_is_not_answered_calls_for_a_person(self, shop):
        order = shop.place()
        shop.beats()
        shop.cancel(order)
        shop.beats_for(130)

        assert shop.clock_ticks() == 1

        assert shop.saga(order)[0] == "NEEDS_ATTENTION"
        assert shop.needs_attention(order)
        assert shop.clock_ticks() == 0
        with pytest.raises(NotPossible, match="may still be done, twice then"):
            shop.act(people.resolve, order)
        shop.undoes(order)  # the answers come after all
        assert shop.status(order) == "CANCELLED"

    def test_settled_by_hand_although_unanswered_when_that_is_seen_to(self, shop):
        order = shop.place()
        shop.beats()
        shop.cancel(order)
        shop.beats_for(130)
        shop.clock_ticks()

        shop.act(people.resolve, order, unanswered=True)

        assert shop.status(order) == "CANCELLED"

    def test_a_saga_that_cannot_be_moved_keeps_no_other_from_it(self, shop):
        orders = [shop.place() for _ in range(3)]
        culprit = orders[1]
        shop.beats()
        shop.beats_for(70)
        with shop.owner.begin() as connection:
            connection.execute(text("DELETE FROM orders WHERE id = :id"), {"id": culprit})
        before = told_deadlines()

        shop.clock_ticks()

        assert [after - then for after, then in zip(told_deadlines(), before, strict=True)] == [2, 1]
        assert [shop.saga(order)[0] for order in orders] == [
            "COMPENSATING",
            "NEEDS_ATTENTION",
            "COMPENSATING",
        ]
        assert shop.log(culprit)[-1].kind == "failed"

    def test_a_saga_of_a_newer_release_keeps_no_other_from_it(self, shop):
        newer, order = shop.newer(), shop.place()
        shop.beats()
        shop.beats_for(65)

        assert shop.clock_ticks() == 1
        assert shop.saga(order)[0] == "COMPENSATING"
        assert shop.saga(newer)[0] == "RUNNING"

    def test_a_saga_of_a_newer_release_lifts_no_cap(self, shop):
        shop.newer()
        for _ in range(6):
            shop.place()
        shop.beats()
        shop.beats_for(65)
        deadlines = Deadlines(shop.engine, shop.sagas, Clock(CLOCK.relays, 2), threading.Event())

        moved = sum(deadlines.turn() for _ in range(6))

        assert moved in {2, 3, 4}  # more than 2 where a minute began in between

    def test_sagas_of_a_newer_release_do_not_stand_in_front_of_others(self, shop, monkeypatch):
        monkeypatch.setattr("saga.deadlines.SAGAS_PER_TURN", 2)
        for _ in range(2):
            shop.newer()
        order = shop.place()
        shop.beats()
        shop.beats_for(65)
        deadlines = Deadlines(shop.engine, shop.sagas, CLOCK, threading.Event())

        assert [deadlines.turn() for _ in range(2)] == [0, 1]
        assert shop.saga(order)[0] == "COMPENSATING"

    def test_a_saga_that_another_has_in_hand_is_left_to_it(self, shop):
        order = shop.place()
        shop.beats()
        shop.beats_for(70)
        with shop.engine.begin() as connection:
            shop.sagas.lock(connection, [order])
            assert shop.clock_ticks() == 0
        assert shop.clock_ticks() == 1


class TestACompensationThatFails:
    @pytest.fixture
    def refused(self, shop):
        """An order whose refund was refused as often as it is tried."""
        order = shop.place()
        shop.beats()
        shop.receives(captured(order))
        shop.receives(StockRejected(order_id=order, reason="none"))
        for epoch in range(1, 6):
            shop.receives(refund_failed(order, epoch))
            assert shop.saga(order) == ("COMPENSATING", [])
            shop.beats_for(45)
            assert shop.clock_ticks() == 1
            assert shop.saga(order) == ("COMPENSATING", ["undo charge"])
        shop.receives(refund_failed(order, 6))
        return order

    def test_is_tried_again_and_then_needs_a_person(self, shop, refused):
        assert shop.saga(refused)[0] == "NEEDS_ATTENTION"
        assert shop.status(refused) == "PAID"
        assert shop.state(refused)[1].count("payment.refund.v1") == 6

    def test_can_be_tried_again_by_a_person(self, shop, refused):
        shop.act(people.retry, refused)
        assert shop.saga(refused) == ("COMPENSATING", ["undo charge"])

        shop.receives(refunded(refused, epoch=6))  # of a try before: not the answer
        assert shop.status(refused) == "PAID"
        shop.receives(refunded(refused, epoch=7))

        assert shop.status(refused) == "OUT_OF_STOCK"

    def test_can_be_settled_by_hand_with_a_note(self, shop, refused):
        shop.act(people.resolve, refused)

        assert shop.status(refused) == "OUT_OF_STOCK"
        resolved = next(line for line in shop.log(refused) if line.kind == "resolve")
        assert (resolved.actor, resolved.note) == ("operator", "as agreed")


def test_a_parked_command_calls_for_a_person_who_turns_the_order_round(shop):
    order = shop.place()
    parked = PaymentCommandParked(order_id=order, command="payment.charge.v1", reason="poison")

    shop.receives(parked)
    assert shop.saga(order)[0] == "NEEDS_ATTENTION"
    with pytest.raises(NotPossible):
        shop.act(people.resolve, order)
    shop.act(people.compensate, order)
    shop.undoes(order)

    assert shop.status(order) == "CANCELLED"


def test_the_log_tells_everything_with_event_ids(shop):
    order = shop.place()
    reply = a_delivery(captured(order))
    shop.processor.process([reply])

    told = [(line.kind, line.message_type, line.status) for line in shop.log(order)]

    assert told == [
        ("begun", None, "RUNNING"),
        ("event", "order.created.v1", "RUNNING"),
        ("command", "payment.charge.v1", "RUNNING"),
        ("command", "inventory.reserve.v1", "RUNNING"),
        ("reply", "payment.captured.v1", "RUNNING"),
    ]
    with shop.owner.connect() as connection:
        ids = set(connection.execute(text("SELECT id FROM outbox")).scalars())
    assert {line.event_id for line in shop.log(order) if line.kind in {"event", "command"}} == ids
    assert shop.log(order)[4].event_id == reply.event_id


def test_two_orchestrators_at_once_take_each_reply_once(shop, engine_of):
    """Replies of the same sagas come to both, repeated, contradicted, and in other orders."""
    orders = [shop.place() for _ in range(60)]
    batches = [
        [a_delivery(captured(order)) for order in orders],
        [a_delivery(captured(order)) for order in reversed(orders)],
        [a_delivery(PaymentDeclined(order_id=order, reason="no")) for order in orders[::2] + orders[1::2]],
        [a_delivery(StockReserved(order_id=order)) for order in orders],
    ]
    workers = [
        threading.Thread(target=BatchProcessor(engine_of("order"), shop.consumer).process, args=(batch,))
        for batch in batches
    ]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)

    for order in orders:
        replies = [line for line in shop.log(order) if line.kind == "reply"]
        status, told, numbers = shop.state(order)
        assert numbers == list(range(1, len(told) + 1))
        assert len(told) == len(set(told)), "a command was sent twice"
        declined, paid, reserved = "payment.declined.v1", "payment.captured.v1", "stock.reserved.v1"
        assert [line.message_type for line in replies] in {
            "PENDING": [[declined], [reserved, declined]],
            "COMPLETED": [[paid, reserved], [reserved, paid]],
        }[status]
    assert not any(worker.is_alive() for worker in workers)


class TestTheAlarm:
    def test_tells_of_sagas_that_need_a_person(self, shop):
        shop.beats()
        alarm = Alarm(stuck_sagas(CLOCK))
        alarm.look(shop.engine)
        assert alarm.warnings() == {}

        order = shop.place()
        shop.receives(PaymentCommandParked(order_id=order, command="payment.charge.v1", reason="poison"))
        alarm.look(shop.engine)

        assert alarm.warnings() == {"sagas": f"1 need attention, the oldest {order}: ./run sagas list"}

    def test_tells_that_no_deadline_passes(self, shop):
        alarm = Alarm(stuck_sagas(CLOCK))
        shop.beats(*CLOCK.relays[1:])

        alarm.look(shop.engine)

        assert alarm.warnings() == {"deadlines": f"none passes: no sign of life of {CLOCK.relays[0]}"}

    def test_keeps_what_it_found_while_the_database_is_away(self, shop, databases):
        alarm = Alarm(stuck_sagas(CLOCK))
        alarm.look(shop.engine)
        before = dict(alarm.warnings())

        alarm.look(create_engine(databases.url("order").set(port=1)))

        assert alarm.warnings() == before != {}


def test_a_saga_on_a_version_of_a_newer_release_is_left_to_it(shop):
    order, mine = shop.place(), shop.place()
    with shop.owner.begin() as connection:
        connection.execute(
            text("UPDATE sagas SET version = 9, fingerprint = 'newer' WHERE id = :id"), {"id": order}
        )

    with pytest.raises(MomentaryFault, match="version 9"):
        shop.receives(captured(order))
    shop.receives(captured(mine))

    assert shop.status(mine) == "PAID"
    with shop.owner.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM dead_letters")).scalar_one() == 0
