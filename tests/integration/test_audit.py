"""The auditor's promise, fault by fault: each is caught, and only by the invariant that speaks of it."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from audit import recoveries
from audit.digest import of_record
from audit.sources import Slot
from contracts.topics import CANARY
from tests.auditing import AuditedSystem, a_stranger, ids, red


@pytest.fixture
def audited(engine_of, databases):
    with closing(AuditedSystem(engine_of, databases)) as system:
        yield system


def recover(audited, kind, services=("order",), topics=()):
    with audited.engine.begin() as connection:
        recoveries.record(connection, recoveries.Recovery(kind, services, topics, "anna", "a drill"))


# ── nothing is wrong


def test_what_arrived_and_was_seen_is_green(audited):
    body = audited.settled(audited.events(3))

    assert (body["verdict"], body["reasons"]) == ("green", [])
    assert (body["checked"], body["under_way"]) == (3, 0)


@pytest.mark.parametrize("completed", [True, False])
def test_orders_that_ended_well_are_green_and_put_away(audited, completed):
    told = [row for _ in range(3) for row in audited.order(completed=completed)[1]]

    audited.settled(told)

    assert audited.later()["verdict"] == "green"
    assert audited.ask("audit", "SELECT * FROM unsettled") == []


@pytest.mark.parametrize("record_first", [True, False])
def test_row_and_record_meet_whichever_is_read_first(audited, record_first):
    """The row of a transaction that an older one holds back is read after its record."""
    if record_first:
        with audited.owners["order"].begin() as older:
            older.execute(text("SELECT pg_current_xact_id()"))
            rows = audited.events(2)
            audited.round(audited.records(rows))
    else:
        rows = audited.events(2)
        audited.round()
        audited.round(audited.records(rows), passed=False)

    audited.round()
    audited.consume()

    assert audited.later()["verdict"] == "green"


def test_the_digest_of_a_row_is_the_digest_of_its_record(audited):
    [event] = audited.events(1)
    audited.do("order", 'UPDATE outbox SET saga_id = NULL, payload = \'{"name":  "Ünïcode 🍕"}\'')
    helping = audited.sources["order"].written(0, 10)
    [row] = audited.rows("order", [event.id])

    headers = {"ce_type": row.type, "sequence": str(row.sequence), "ce_source": row.source}
    assert helping.rows[0].digest == of_record(row.topic, headers, row.payload.encode())
    assert helping.rows[0].digest == of_record(row.topic, {**headers, "saga_id": None}, row.payload.encode())


# ── lost, late, skipped


def test_what_a_relay_passed_and_no_topic_has_is_lost(audited):
    rows = audited.events(3)
    audited.round(audited.records(rows[:1]))
    audited.consume()

    body = audited.round()

    assert (body["verdict"], red(body)) == ("red", ["S4"])
    assert sorted(body["lost"]["ids"]) == sorted(ids(rows[1:]))


def test_what_no_relay_has_passed_yet_is_late_and_not_lost(audited):
    rows = audited.events(1)
    audited.round()

    body = audited.later(passed=False)

    assert (body["verdict"], red(body)) == ("grey", [])
    assert body["late"] == {"count": 1, "ids": ids(rows)}


def test_an_event_is_late_by_its_own_age_though_the_auditor_has_only_just_noted_it(audited):
    [row] = audited.events(1)
    audited.do("order", "UPDATE outbox SET id = uuidv7(interval '-100 seconds') WHERE id = :id", id=row.id)

    body = audited.round(passed=False)

    assert (body["verdict"], body["late"]["count"]) == ("grey", 1)


def test_what_is_found_after_all_is_lost_no_more(audited):
    rows = audited.events(1)
    audited.round()
    audited.round()

    assert audited.settled(rows)["verdict"] == "green"


def test_a_consumer_that_has_not_come_so_far_is_late(audited):
    rows = audited.events(1)
    audited.round(audited.records(rows))

    body = audited.later(positions={("payment-commands", 0): 0})

    assert (body["verdict"], red(body)) == ("grey", [])
    assert body["late"] == {"count": 1, "ids": ids(rows)}


def test_a_consumer_that_has_passed_an_event_without_it_has_skipped_it(audited):
    rows = audited.events(2)
    audited.round(audited.records(rows))
    audited.receive("payment", rows[0].id, rows[0].topic)

    body = audited.later(positions={("payment-commands", 0): 2})

    assert (body["verdict"], red(body)) == ("red", ["S10"])
    assert body["skipped"] == {"count": 1, "ids": ids(rows[1:])}


def test_an_event_that_was_skipped_and_is_seen_after_all_is_skipped_no_more(audited):
    rows = audited.events(1)
    audited.round(audited.records(rows))
    audited.later(positions={("payment-commands", 0): 1})
    audited.consume()

    assert audited.round()["verdict"] == "green"


# ── phantoms


@pytest.mark.parametrize("source", ["/order", "/nobody", ""])
def test_a_record_that_nobody_wrote_is_a_phantom(audited, source):
    stranger = a_stranger(source=source)

    audited.round([audited.record(stranger)])
    body = audited.later()

    assert (body["verdict"], red(body)) == ("red", ["S6"])
    assert body["phantom"] == {"count": 1, "ids": ids([stranger])}


def test_a_row_that_nobody_sees_yet_although_a_relay_has_sent_it_is_no_phantom(audited):
    """Its commit is in the WAL, and the session that wrote it is stopped before others may see it."""
    with audited.apps["order"].begin() as session:
        event_id = audited_row(session)
        sent = audited.record(a_stranger(key="x", kind="t"), event_id=event_id)
        audited.round([sent])
        assert audited.later()["late"] == {"count": 1, "ids": [str(event_id)]}

    body = audited.settled([])

    assert (body["verdict"], body["checked"]) == ("green", 1)


def test_a_record_without_an_id_is_a_phantom(audited):
    audited.round([audited.record(a_stranger(), event_id=None)])

    body = audited.later()

    assert (red(body), body["phantom"]["count"]) == (["S6"], 1)
    assert body["phantom"]["ids"] == ["order-created/0/0"]


def test_a_phantom_that_tells_of_an_orders_end_does_not_blind_the_auditor(audited):
    """Its key is no order's id, and need not be one at all."""
    audited.round([audited.record(a_stranger(topic="order-completed"))])

    assert red(audited.later()) == ["S6"]


# ── repeated


def test_an_event_that_is_there_twice_is_repeated(audited):
    rows = audited.events(2)
    audited.settled(rows)

    audited.round(audited.records(rows[:1]))
    body = audited.later()

    assert (body["verdict"], red(body)) == ("red", ["S5"])
    assert body["repeated"] == {"count": 1, "ids": ids(rows[:1])}


def test_an_event_that_comes_twice_at_once_is_repeated(audited):
    [row] = audited.events(1)

    body = audited.settled([row, row])

    assert (red(body), body["repeated"]["count"]) == (["S5"], 1)


def test_a_repeat_that_was_asked_for_is_told_and_is_not_wrong(audited):
    rows = audited.events(2)
    audited.settled(rows)
    replay(audited)

    body = audited.round(audited.records(rows))

    assert body["verdict"] == "green"
    [told] = body["recoveries"]
    assert (told["kind"], told["done_by"], told["reason"]) == ("replay", "bert", "to be sure")
    assert told["explains"] == 2


def replay(audited, reason="to be sure"):
    """Somebody sends again whatever the order service has written."""
    with audited.repairs["order"].begin() as connection:
        connection.execute(
            text(
                "INSERT INTO outbox_replay (id, aggregatetype, aggregateid, type, payload, topic, sequence,"
                " source, saga_id, requested_by, reason) SELECT id, aggregatetype, aggregateid, type,"
                " payload, topic, sequence, source, saga_id, 'bert', :reason FROM outbox"
            ),
            {"reason": reason},
        )


@pytest.mark.parametrize("at_once", [True, False])
def test_one_replay_explains_one_repeat_and_no_other(audited, at_once):
    """Two places more than the outbox has rows, and one of them that somebody asked for."""
    rows = audited.events(1)
    audited.settled(rows)
    replay(audited)

    if not at_once:
        assert audited.round(audited.records(rows))["verdict"] == "green"
    body = audited.round(audited.records(rows * 2 if at_once else rows))

    assert (red(body), body["repeated"]["count"]) == (["S5"], 1)
    assert audited.later()["repeated"]["count"] == 1


@pytest.mark.parametrize("reason", ["to be sure", "to be surer"])
def test_as_many_replays_explain_as_many_repeats(audited, reason):
    rows = audited.events(2)
    audited.settled(rows)
    replay(audited)
    audited.round(audited.records(rows))
    replay(audited, reason)

    body = audited.round(audited.records(rows))

    assert body["verdict"] == "green"
    assert sum(told["explains"] for told in body["recoveries"]) == 4


def test_a_repeat_by_a_relay_that_was_set_back_uses_up_no_replay(audited):
    rows = audited.events(1)
    audited.settled(rows)
    recover(audited, "offsets-lost")
    audited.round(audited.records(rows))
    audited.do("audit", "UPDATE recoveries SET done_at = done_at - interval '3 hours'")
    replay(audited)

    assert audited.round(audited.records(rows))["verdict"] == "green"
    assert red(audited.round(audited.records(rows))) == ["S5"]


@pytest.mark.parametrize(
    ("kind", "services", "verdict"),
    [
        ("offsets-lost", ("order",), "green"),
        ("offsets-lost", ("payment",), "red"),
        ("slot-lost", ("order",), "red"),
    ],
)
def test_a_relay_that_was_set_back_explains_its_own_repeats(audited, kind, services, verdict):
    rows = audited.events(2)
    audited.settled(rows)
    recover(audited, kind, services)

    assert audited.round(audited.records(rows))["verdict"] == verdict


def test_a_recovery_of_long_ago_explains_nothing(audited):
    rows = audited.events(1)
    audited.settled(rows)
    recover(audited, "offsets-lost")
    late = datetime.now(UTC) + timedelta(hours=1)

    body = audited.round([audited.record(rows[0], appended_at=late)])

    assert red(body) == ["S5"]


# ── altered


@pytest.mark.parametrize(
    ("change", "also"),
    [
        ({"payload": '{"amount": 1}'}, []),
        ({"key": "another-order"}, []),
        ({"topic": "inventory-commands"}, []),
        ({"source": "/payment"}, []),
        ({"sequence": 7}, ["S7"]),  # and its number is missing
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_an_event_that_says_something_else_is_altered(audited, change, also):
    rows = audited.events(1)
    audited.round([audited.record(rows[0], **change)])
    audited.consume()

    body = audited.later()

    assert red(body) == [*also, "S8"]
    assert body["altered"] == {"count": 1, "ids": ids(rows)}


@pytest.mark.parametrize("at_once", [True, False])
def test_a_repeat_that_says_something_else_is_altered_and_repeated(audited, at_once):
    rows = audited.events(1)
    records = [audited.record(rows[0]), audited.record(rows[0], payload="{}")]
    for arrivals in [records] if at_once else [[each] for each in records]:
        audited.round(arrivals)
    audited.consume()

    assert red(audited.later()) == ["S5", "S8"]


# ── order


def test_events_of_a_key_that_changed_places_are_reordered(audited):
    first, second, third = audited.events(3)

    body = audited.settled([second, first, third])

    assert (body["verdict"], red(body)) == ("red", ["S7"])
    assert body["reordered"] == {"count": 1, "ids": [str(first.id)]}


def test_a_key_in_two_partitions_is_reordered(audited):
    first, second = audited.events(2)
    audited.round([audited.record(first)])

    audited.round([audited.record(second, partition=3)])
    audited.consume()

    body = audited.later()
    assert (red(body), body["reordered"]["ids"]) == (["S7"], [str(second.id)])


def test_a_number_that_nobody_wrote_is_a_gap(audited):
    """A row that was taken out of the outbox before anybody saw it."""
    rows = audited.events(3)
    audited.do("order", "DELETE FROM outbox WHERE id = :id", id=rows[1].id)
    audited.settled([rows[0], rows[2]])

    body = audited.later()

    assert (body["verdict"], red(body)) == ("red", ["S7"])
    assert f"/order {rows[0].key}" in str(body["reasons"])


def placed(days_ago):
    milliseconds = int((datetime.now(UTC) - timedelta(days=days_ago)).timestamp() * 1000)
    return UUID(f"{milliseconds:012x}7{uuid4().hex[13:]}")


def test_the_first_numbers_of_an_order_may_be_forgotten_with_their_day(audited):
    """It has waited for a person for longer than records are kept."""
    rows = audited.events(3, key=placed(days_ago=12))
    audited.settled(rows[:2])
    audited.do("audit", "DELETE FROM records WHERE event_id = :id", id=rows[0].id)
    audited.settled(rows[2:])

    assert audited.later()["verdict"] == "green"


def test_a_first_number_is_missed_while_anything_of_its_day_is_kept(audited):
    rows = audited.events(3, key=placed(days_ago=0))
    audited.settled(rows[:2])
    audited.do("audit", "DELETE FROM records WHERE event_id = :id", id=rows[0].id)
    audited.settled(rows[2:])

    assert red(audited.later()) == ["S7"]


def test_a_later_number_of_an_old_order_is_a_gap_all_the_same(audited):
    rows = audited.events(4, key=placed(days_ago=12))
    audited.do("order", "DELETE FROM outbox WHERE id = :id", id=rows[2].id)
    audited.settled(rows[:2])
    audited.do("audit", "DELETE FROM records WHERE event_id = :id", id=rows[0].id)
    audited.settled(rows[3:])

    assert red(audited.later()) == ["S7"]


def test_what_is_lost_is_told_as_lost_and_not_as_a_gap_too(audited):
    rows = audited.events(3)
    audited.settled([rows[0], rows[2]])

    assert red(audited.later()) == ["S4"]


# ── topics made anew


def test_a_topic_made_anew_is_filled_again(audited):
    rows = audited.events(3)
    first = audited.records(rows)
    with audited.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO positions VALUES ('payment-commands', 0, 'an-id', 3)"),
        )
    audited.round(first)
    audited.consume()
    assert audited.round()["verdict"] == "green"

    audited.forget_topic("payment-commands")
    audited.ends.clear()
    body = audited.round()
    assert (red(body), body["lost"]["count"]) == (["S4", "topics"], 3)

    recover(audited, "topic-lost", topics=("payment-commands",))
    sent = audited.repair()
    assert [each.event_id for each in sent] == [row.id for row in rows]
    body = audited.round(audited.records(audited.replayed("order")))

    assert (body["verdict"], body["under_way"]) == ("green", 0)


def test_a_phantom_of_a_topic_that_is_gone_is_not_waited_for(audited):
    audited.round([audited.record(a_stranger(source="/nobody")), audited.record(a_stranger())])

    audited.forget_topic("order-created")

    assert red(audited.later()) == ["S6"]
    assert audited.later()["under_way"] == 0


# ── how outboxes are followed


def test_the_mark_waits_for_an_older_transaction_and_its_rows_are_found_later(audited):
    with audited.apps["order"].begin() as older:
        older_id = older.execute(
            text(
                "INSERT INTO sequences (aggregate_id, last) VALUES ('x', 1)"
                " RETURNING pg_current_xact_id()::text"
            )
        ).scalar_one()
        newer = audited.events(2)
        body = audited.round()
        [mark] = audited.ask("audit", "SELECT outbox_mark FROM sources WHERE service = 'order'")
        assert mark.outbox_mark <= int(older_id)
        assert body["checked"] == 0
        from_older = audited_row(older)

    body = audited.settled([*newer, *audited.rows("order", [from_older])])

    assert (body["verdict"], body["checked"]) == ("green", 3)


def test_what_an_open_transaction_keeps_from_being_read_is_not_vouched_for(audited):
    before = datetime.now(UTC) - timedelta(minutes=1)

    def is_decided(service):
        with audited.engine.connect() as connection:
            return recoveries.is_decided(connection, before, [service])

    with audited.apps["payment"].begin() as idle:  # of the same Postgres, and of another database
        idle.execute(text("SELECT pg_current_xact_id()"))
        audited.events(2)
        assert audited.round()["verdict"] == "green"
        audited.do("order", "UPDATE outbox SET created_at = created_at - interval '1 minute'")
        body = audited.round()

        assert (body["verdict"], body["held_up"], body["checked"]) == ("grey", ["order"], 0)
        assert "stays open" in body["reasons"][0]
        assert (is_decided("order"), is_decided("payment")) == (False, True)

    body = audited.round(passed=False)
    assert (body["held_up"], body["checked"]) == ([], 2)


def audited_row(connection):
    """A row that an open transaction writes."""
    return connection.execute(
        text(
            "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, topic, sequence, source)"
            " VALUES ('order', 'x', 't', '{}', 'order-created', 1, '/order') RETURNING id"
        )
    ).scalar_one()


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 100])
def test_whole_transactions_are_taken_in_however_large(audited, most):
    rows = [row for count in (1, 5, 2, 9, 1) for row in audited.events(count)]
    taken, is_all, rounds = 0, False, 0

    while not is_all:
        with audited.engine.begin() as connection:
            helping = audited.written(connection, most)["order"]
        audited.round(passed=False, most=most)
        taken, is_all, rounds = taken + len(helping.rows), helping.is_all, rounds + 1
        assert rounds <= len(rows) + 2

    assert taken == len(rows)
    assert audited.settled(rows)["checked"] == len(rows)


def test_a_round_that_fails_leaves_the_marks_where_they_were(audited):
    rows = audited.events(2)
    records = audited.records(rows)
    torn = replace(records[1], topic=None)

    with pytest.raises(Exception, match="null value"):
        audited.round([records[0], torn])

    assert audited.ask("audit", "SELECT * FROM sources") == []
    audited.round(records)
    audited.consume()
    assert audited.round()["verdict"] == "green"


def test_old_canaries_belong_to_no_order(audited):
    [row] = audited.events(1)
    audited.do("order", "UPDATE outbox SET topic = :topic WHERE id = :id", topic=CANARY.name, id=row.id)

    body = audited.settled(audited.rows("order", [row.id]))

    assert body["verdict"] == "green"
    assert audited.ask("audit", "SELECT * FROM unsettled") == []


# ── money and stock


@pytest.mark.parametrize(
    ("database", "statement", "caught"),
    [
        ("order", "UPDATE orders SET total_amount = 999 WHERE id = :id", ["S11"]),
        ("order", "DELETE FROM orders WHERE id = :id", ["S11"]),
        ("order", "UPDATE orders SET status = 'CANCELLED' WHERE id = :id", ["S11"]),
        ("payment", "UPDATE payments SET refunded = captured WHERE order_id = :id", ["S11"]),
        ("payment", "DELETE FROM payment_ledger WHERE order_id = :id", ["S11"]),
        ("inventory", "UPDATE stock_ledger SET sku = 'PHONE' WHERE order_id = :id", ["S11", "S12"]),
        (
            "inventory",
            """INSERT INTO stock_ledger (order_id, sku, movement, on_hand, reserved, sold)
            SELECT order_id, sku, movement, on_hand, reserved, sold FROM stock_ledger WHERE order_id = :id""",
            ["S9", "S12"],
        ),
        ("inventory", "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'PIZZA'", ["S12"]),
        ("inventory", "UPDATE stock SET reserved = reserved + 1 WHERE sku = 'PIZZA'", ["S12"]),
        (
            "inventory",
            """INSERT INTO reservations (order_id, status, items)
            VALUES (uuidv7(), 'RESERVED', '[{"sku": "PIZZA", "quantity": 2}]')""",
            ["S12"],
        ),
    ],
)
def test_books_that_do_not_agree_are_told(audited, database, statement, caught):
    order_id, told = audited.order()
    audited.do(database, statement.replace(":id", f"'{order_id}'"))
    audited.settled(told)

    body = audited.later()

    assert (body["verdict"], red(body)) == ("red", caught)


def test_a_clock_that_is_set_back_makes_nothing_good(audited):
    _, told = audited.order()
    audited.do("order", "UPDATE orders SET total_amount = 999")
    audited.settled(told)
    assert red(audited.later()) == ["S11"]

    later = "clock_timestamp() + interval '1 hour'"
    audited.do("audit", f"UPDATE unsettled SET suspect_since = {later}, looked_at = {later}")

    assert red(audited.round()) == ["S11"]
    audited.do("order", "UPDATE orders SET total_amount = 1250")
    assert audited.later()["verdict"] == "green"


def test_while_more_orders_have_ended_than_a_round_compares_it_is_not_green(audited, monkeypatch):
    monkeypatch.setattr("audit.books.ORDERS_MAX", 2)
    told = [row for _ in range(5) for row in audited.order()[1]]
    audited.round(audited.records(told))
    audited.consume()

    bodies = [audited.round() for _ in range(3)]

    assert [body["verdict"] for body in bodies] == ["grey", "grey", "green"]
    assert "the list of ended orders" in bodies[0]["behind"]


def test_books_that_were_mended_are_green_again(audited):
    order_id, told = audited.order()
    audited.do("order", "UPDATE orders SET total_amount = 999")
    audited.settled(told)
    assert red(audited.later()) == ["S11"]

    audited.do("order", "UPDATE orders SET total_amount = 1250 WHERE id = :id", id=order_id)

    assert audited.later()["verdict"] == "green"


def test_an_order_with_a_dead_letter_waits_and_then_gets_its_time(audited):
    order_id, told = audited.order()
    audited.do("order", "UPDATE orders SET total_amount = 999")
    letter = (
        'INSERT INTO dead_letters (consumer, key, event_id, type, topic, partition, "offset", headers, value,'
        " state, reason) VALUES ('payment', :key, uuidv7(), 't', 'payment-commands', 0, 0, '{}', '',"
        " 'culprit', 'broken')"
    )
    audited.do("payment", letter, key=str(order_id))
    audited.settled(told)
    assert audited.later()["verdict"] == "green"

    audited.do("payment", "UPDATE dead_letters SET settled_at = now(), outcome = 'redriven'")

    assert audited.later()["verdict"] == "green"
    assert red(audited.later()) == ["S11"]


def test_books_of_orders_under_way_are_left_alone(audited):
    _, told = audited.order()
    audited.do("order", "UPDATE orders SET total_amount = 999")

    audited.settled(told[:-1])

    assert "S11" not in red(audited.later())


# ── what keeps a relay from working


@pytest.mark.parametrize(
    ("scene", "caught"),
    [
        ({"slots": {"order": None}}, ["slots"]),
        ({"slots": {"order": Slot(1, "lost", False)}}, ["slots"]),
        ({"slots": {"order": Slot(1, "extended", True)}}, []),
        ({"missing_topics": ["order-created"]}, ["topics"]),
        ({"behind": ["topic order-created"]}, []),
    ],
)
def test_what_a_round_sees_is_judged(audited, scene, caught):
    body = audited.round(**scene)

    assert red(body) == caught
    assert (body["verdict"] == "grey") == ("behind" in scene)


def test_tomorrow_without_a_partition_is_red(audited):
    for day in range(2, 9):
        [[name]] = audited.ask(
            "payment",
            f"SELECT 'inbox_p' || to_char(now() AT TIME ZONE 'UTC' + interval '{day} days', 'YYYYMMDD')",
        )
        audited.do("payment", f"DROP TABLE {name}")

    assert red(audited.round()) == ["partitions"]


def test_many_findings_of_one_kind_do_not_hide_another(audited):
    strangers = [a_stranger(key=f"key-{number}", source="/nobody") for number in range(250)]
    rows = audited.events(1)
    audited.settled(rows)

    body = audited.round(audited.records([*strangers, *rows]))

    assert red(body) == ["S5", "S6"]
    assert (body["phantom"]["count"], len(body["phantom"]["ids"])) == (250, 20)


# ── repair


def test_repair_sends_what_is_missing_under_its_own_ids_in_order(audited):
    first, second = audited.events(4), audited.events(2)
    audited.round(audited.records([first[0], first[3]]))
    audited.consume()
    audited.round()

    sent = audited.repair("a drill")

    lost = sorted([*first[1:3], *second], key=lambda row: (row.key, row.sequence))
    assert [each.event_id for each in sent] == [row.id for row in lost]
    assert audited.replayed("order") == lost
    assert audited.repair() == []
    body = audited.round(audited.records(lost))
    audited.consume()
    body = audited.later()
    assert (body["verdict"], body["under_way"]) == ("green", 0)
    assert [told["reason"] for told in body["recoveries"]] == ["a drill"]


def test_a_new_event_beside_one_that_was_repaired_is_not_blamed(audited):
    """Both come in one round: the one that came late was sent again, the other is in its place."""
    rows = audited.events(2)
    audited.round(audited.records(rows[:1]))
    audited.round()
    audited.repair()

    newer = audited.write_after(rows[0])
    audited.round(audited.records([newer, *audited.replayed("order")]))
    audited.consume()

    assert audited.later()["verdict"] == "green"


def test_repair_sends_what_was_skipped_and_expects_it_to_be_seen(audited):
    rows = audited.events(1)
    audited.round(audited.records(rows))
    audited.later(positions={("payment-commands", 0): 1})

    assert [each.why for each in audited.repair()] == ["not seen by payment"]
    assert audited.repair() == []
    body = audited.later(positions={("payment-commands", 0): 1})
    assert red(body) == []  # the copy lies ahead of the consumer
    audited.round(audited.records(audited.replayed("order")))
    body = audited.later(positions={("payment-commands", 0): 2})
    assert red(body) == ["S10"]
    audited.consume()
    assert audited.round()["verdict"] == "green"


def test_what_no_outbox_has_any_more_stays_lost(audited):
    rows = audited.events(2)
    audited.round()
    audited.round()
    audited.do("order", "DELETE FROM outbox WHERE id = :id", id=rows[0].id)

    assert [each.event_id for each in audited.repair()] == [rows[1].id]
    assert audited.round(passed=False)["lost"]["ids"] == ids(rows[:1])


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM outbox_replay",
        "UPDATE outbox_replay SET reason = ''",
        "SELECT * FROM outbox_replay",
        "INSERT INTO outbox (id) VALUES (uuidv7())",
        "UPDATE outbox SET topic = topic",
        "DELETE FROM outbox",
        "SELECT * FROM inbox",
        "SELECT * FROM orders",
        "CREATE TABLE mine (id int)",
    ],
)
def test_a_repair_may_not(audited, statement):
    with pytest.raises(Exception, match="permission denied"), audited.repairs["order"].begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("service", ["order", "payment", "inventory"])
def test_the_auditor_may_write_nothing_in_a_services_database(audited, service):
    tables = [
        row.name
        for row in audited.ask(service, "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    ]
    granted = audited.ask(
        service,
        "SELECT name, right_ FROM unnest(CAST(:tables AS text[])) AS name,"
        " unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS right_"
        " WHERE has_table_privilege('auditor', name, right_)",
        tables=tables,
    )

    assert granted == []
    for statement in (
        "DELETE FROM outbox",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
    ):
        with (
            pytest.raises(Exception, match="permission denied"),
            audited.sources[service].connect() as connection,
        ):
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM findings",
        "DELETE FROM recoveries",
        "UPDATE recoveries SET reason = ''",
        "DROP TABLE report",
    ],
)
def test_the_auditor_takes_no_evidence_back(audited, statement):
    with (
        pytest.raises(Exception, match=r"permission denied|must be owner"),
        audited.engine.begin() as connection,
    ):
        connection.execute(text(statement))
