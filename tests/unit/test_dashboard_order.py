"""Why an order is where it is: a word for each place it can be in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connect.health import ConnectorStatus, TaskStatus
from dashboard import order_chart
from dashboard.ages import age, clock, offset
from dashboard.order_words import is_settled, tell
from dashboard.sentences import Tone
from dashboard.way import Intent, Letter
from saga.state import Cause, Why
from tests.orders_way import NOW, a_way, ago, an_event, running

ORDER, PAYMENT, INVENTORY = "order", "payment", "inventory"
RUNS = ConnectorStatus("order-outbox", "RUNNING", "w", (TaskStatus(0, "RUNNING", "w"),))
FAILED = ConnectorStatus("order-outbox", "RUNNING", "w", (TaskStatus(0, "FAILED", "w", "java.io: no\nat x"),))


def headline(way):
    return tell(way).headline


def reserve(**changes):
    return an_event("inventory.reserve.v1", "inventory-commands", ORDER, INVENTORY, **changes)


def charge(**changes):
    return an_event("payment.charge.v1", "payment-commands", ORDER, PAYMENT, **changes)


# ── the end


def test_an_order_that_is_complete_says_how_long_it_took():
    way = a_way("COMPLETED", took=0.9)

    assert headline(way).text == "COMPLETED after 0.9 s."
    assert headline(way).tone is Tone.GOOD
    assert is_settled(way)


def test_an_order_that_ended_otherwise_says_why():
    way = a_way("FAILED", took=0.8, cause=Cause(Why.REFUSED, "charge", "the card was declined"))

    assert headline(way).text == "FAILED after 0.8 s: the card was declined. What had been done is undone."


def test_what_still_is_on_its_way_after_the_end_is_told_and_it_is_not_settled():
    told = an_event(
        "order.completed.v1", "order-completed", ORDER, INVENTORY, written=ago(9), appended=ago(8)
    )
    way = a_way("COMPLETED", took=1, events=(told,))

    [more] = tell(way).more
    assert (
        more.text
        == "The event order.completed.v1 has been in its topic for 8.0 s, inventory has not handled it yet."
    )
    assert more.tone is Tone.WARNING
    assert not is_settled(way)


# ── a command on its way


def test_a_command_that_is_in_its_topic_waits_for_its_consumer():
    way = running(awaits=("reserve",), events=(reserve(written=ago(4), appended=ago(3)),))

    assert headline(way).text == (
        "It waits for stock.reserved.v1 or stock.rejected.v1: the command has been in its topic for 3.0 s,"
        " inventory has not handled it yet."
    )
    assert headline(way).tone is Tone.CALM


def test_a_consumer_that_takes_long_is_a_warning_and_leads_to_the_topics():
    way = running(awaits=("reserve",), events=(reserve(written=ago(70), appended=ago(65)),))

    assert (headline(way).tone, headline(way).page) == (Tone.WARNING, "topics.show_all")


@pytest.mark.parametrize(
    ("relays", "tone", "words"),
    [
        ({"order-outbox": RUNS}, Tone.CALM, "the relay of order runs"),
        ({"order-outbox": FAILED}, Tone.BAD, "the relay of order is FAILED (java.io: no)"),
        ({"order-outbox": replace(RUNS, state="PAUSED")}, Tone.WARNING, "PAUSED: a person has paused it"),
        ({"order-outbox": replace(RUNS, state="UNASSIGNED")}, Tone.WARNING, "does not run yet"),
        ({}, Tone.BAD, "the relay of order is not registered"),
        (None, Tone.WARNING, "Kafka Connect does not answer"),
    ],
    ids=["runs", "failed", "paused", "unassigned", "missing", "away"],
)
def test_a_command_that_is_not_in_its_topic_waits_for_the_relay(relays, tone, words):
    way = running(awaits=("reserve",), events=(reserve(written=ago(30)),), relays=relays)

    assert "the command has been on its way to its topic for 30 s, and " in headline(way).text
    assert words in headline(way).text
    assert headline(way).tone is tone


def test_what_the_auditor_has_had_no_time_to_see_is_not_said_to_be_missing():
    way = running(awaits=("reserve",), events=(reserve(written=ago(30)),), audited_at=ago(29))

    assert "whether it is in its topic is not known yet" in headline(way).text


def test_a_database_that_is_away_is_not_taken_for_an_inbox_without_the_event():
    event = reserve(written=ago(9), appended=ago(8), known=False)
    way = running(awaits=("reserve",), events=(event,), away={"the inventory database": "gone"})

    assert "inventory's database does not answer" in headline(way).text
    assert "What the inventory database knows is missing here: gone." in [s.text for s in tell(way).more]


# ── at work, and the answer


def test_a_charge_waits_for_the_gateway():
    intent = Intent(operation="charge", state="REQUESTED", created_at=ago(4), due_at=ago(-6), attempts=2)
    way = running(
        awaits=("charge",), events=(charge(written=ago(5), appended=ago(4), seen=ago(4)),), intents=(intent,)
    )

    assert headline(way).text == (
        "It waits for payment.captured.v1 or payment.declined.v1: payment has had it for 4.0 s, and the"
        " gateway was asked 2 times without an answer that settles it, once more in 6.0 s."
    )


def test_an_answer_that_is_written_waits_for_the_relay_of_who_answers():
    answer = an_event("stock.reserved.v1", "stock-reserved", INVENTORY, ORDER, written=ago(20))
    status = replace(FAILED, name="inventory-outbox")
    way = running(
        awaits=("reserve",),
        events=(reserve(written=ago(22), appended=ago(21), seen=ago(21)), answer),
        relays={"inventory-outbox": status},
    )

    assert (
        "inventory has answered, the answer has been on its way to its topic for 20 s" in headline(way).text
    )
    assert "the relay of inventory is FAILED" in headline(way).text
    assert headline(way).page == "connectors.show_all"


def test_both_steps_are_told_where_both_are_waited_for():
    way = running(
        awaits=("charge", "reserve"),
        events=(charge(written=ago(1), appended=ago(1)), reserve(written=ago(1), appended=ago(1))),
    )

    texts = [headline(way).text, *(each.text for each in tell(way).more)]
    assert [text.split()[3] for text in texts[:2]] == ["payment.captured.v1", "stock.reserved.v1"]


@pytest.mark.parametrize("unknown", [{"version": 99}, {"awaits": ("undo bake",)}])
def test_what_a_newer_service_waits_for_is_told_by_its_name(unknown):
    way = running(**{"awaits": ("charge",)} | unknown)

    told = headline(way)

    assert told.tone is Tone.WARNING
    assert told.text.startswith(f"It waits for {way.saga.awaits[0]}, in version {way.saga.version}")


def test_a_compensation_that_is_refused_is_tried_again():
    way = running(status="COMPENSATING", due_at=ago(-8))

    assert headline(way).text == "It was refused, and is tried again in 8.0 s."


def test_a_deadline_is_told_and_what_comes_of_it():
    way = running(awaits=("reserve",), events=(reserve(written=ago(1), appended=ago(1)),), due_at=ago(-600))

    assert "in 10 min, the order is turned round." in tell(way).more[0].text


# ── people


def test_a_parked_message_comes_first_with_its_reason_and_what_helps():
    letter = Letter(
        service=INVENTORY,
        id=7,
        type="inventory.reserve.v1",
        state="culprit",
        reason="UnknownSku: NONE\nTraceback",
        parked_at=ago(180),
    )
    way = running(
        awaits=("reserve",),
        events=(reserve(written=ago(190), appended=ago(185), seen=ago(180)),),
        letters=(letter,),
    )

    first = headline(way)
    assert (
        first.text == "inventory's message inventory.reserve.v1 has been parked for 3 min: UnknownSku: NONE."
    )
    assert (first.tone, first.page) == (Tone.BAD, "letters.show_all")
    assert "It waits for stock" not in " ".join(each.text for each in tell(way).more)


def test_a_letter_that_was_settled_is_over():
    letter = Letter(
        service=ORDER, id=1, type="x", state="culprit", reason="r", parked_at=ago(9), settled_at=ago(5)
    )

    assert headline(a_way("COMPLETED", letters=(letter,))).text.startswith("COMPLETED")


def test_a_saga_that_needs_attention_says_what_about():
    way = running(status="NEEDS_ATTENTION", awaits=("undo charge",), note="the gateway keeps it")

    assert headline(way).text == (
        "It waits for a person about undo charge, and has for 10 s: the gateway keeps it."
    )
    assert headline(way).remedy == "Retry, compensate or resolve it"


# ── the picture


def test_bars_lie_on_one_axis_and_inside_it():
    way = a_way(
        "COMPLETED",
        took=2,
        events=(charge(written=ago(10), appended=ago(9.5), seen=ago(9)),),
        intents=(
            Intent(
                operation="charge",
                state="SETTLED",
                created_at=ago(9),
                due_at=ago(9),
                settled_at=ago(8.5),
                attempts=1,
            ),
        ),
    )

    chart = order_chart.draw(way)

    assert chart.seconds == pytest.approx(2)
    order, event, intent = chart.rows
    assert [(part.x, part.width) for part in order.segments] == [(0, 100)]
    assert [(part.kind, part.x, part.width) for part in event.segments] == [
        ("relay", 0, 25),
        ("consumer", 25, 25),
    ]
    assert (intent.segments[0].x, intent.segments[0].width) == (50, 25)
    assert event.told == ("to its topic: 0.5 s", "to payment: 0.5 s")


def test_what_is_open_goes_on_until_now():
    chart = order_chart.draw(running(awaits=("charge",), events=(charge(written=ago(10), appended=ago(5)),)))

    [_, event] = chart.rows
    assert event.segments[-1].kind == "consumer open"
    assert event.segments[-1].x + event.segments[-1].width == pytest.approx(100)
    assert event.told[-1] == "to payment: not yet, for 5.0 s"


@pytest.mark.parametrize("seconds", [0.1, 0.37, 1, 4.2, 59, 3600, 10**6])
def test_an_axis_has_a_few_ticks_of_round_numbers(seconds):
    way = a_way("COMPLETED", took=seconds)

    ticks = order_chart.draw(way).ticks

    assert 2 <= len(ticks) <= 6
    assert ticks[0].x == 0
    assert all(0 <= tick.x < 100 for tick in ticks)


def test_an_order_of_which_nothing_is_known_can_be_drawn():
    way = replace(a_way("COMPLETED"), order=None, saga=None, events=())

    assert order_chart.draw(way).rows == ()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-1, "0.0 s"), (0.44, "0.4 s"), (59, "59 s"), (150, "2 min"), (7200, "2 h"), (10**6, "12 days")],
)
def test_an_age_is_short(seconds, told):
    assert age(seconds) == told


def test_moments_are_told_in_utc():
    moment = datetime(2026, 1, 2, 13, 4, 5, 678900, tzinfo=UTC)

    assert clock(moment) == "13:04:05.678"
    assert offset(1.5) == "+1.500 s"
    assert NOW - ago(5) == timedelta(seconds=5)
