"""What people do to dead letters, on real tables: nothing is skipped silently, and nothing twice."""

import threading
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from inventory import handlers as inventory
from messaging import discard, letters, redrive
from messaging.batch import BatchProcessor
from messaging.discard import Order
from messaging.letters import EVERYTHING, Wanted
from payment import handlers as payment
from runtime.waiting import until
from tests.builders import a_delivery, charge, completed, reserve


class Service:
    def __init__(self, engine, owner, consumer):
        self.engine, self.owner, self.consumer = engine, owner, consumer
        self.process = BatchProcessor(engine, consumer).process

    def rows(self, statement):
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def waiting(self, wanted=EVERYTHING):
        with self.engine.connect() as connection:
            return letters.list_waiting(connection, wanted)

    def discard(self, wanted=EVERYTHING, *, whole_key=False, do=discard.discard):
        return do(self.engine, self.consumer, Order(wanted, "anna", "seen to by hand", whole_key))

    def once_before(self, beginning, act):
        """Do something in the first of our transactions that is about to run such a statement."""
        pending = [act]

        def look(_connection, _cursor, statement, *_):
            if statement.strip().startswith(beginning) and pending:
                pending.pop()()

        event.listen(self.engine, "before_cursor_execute", look)

    def told(self):
        return [kind for (kind,) in self.rows("SELECT type FROM outbox ORDER BY id")]

    def held_order(self, behind=1):
        """An order whose command is parked, with messages that wait behind it: its id."""
        command = reserve()
        self.process([a_delivery(command, value=b"{}")])
        for epoch in range(behind):
            self.process([a_delivery(command.model_copy(update={"epoch": epoch + 2}))])
        return command.key

    def stray(self):
        self.process([a_delivery(reserve(), headers={"ce_id": "none"})])


@pytest.fixture
def stock(engine_of):
    return Service(engine_of("inventory"), engine_of("inventory", "migrator"), inventory.consumer())


@pytest.fixture
def money(engine_of):
    return Service(engine_of("payment"), engine_of("payment", "migrator"), payment.consumer())


def ids(found):
    return [letter["id"] for letter in found]


def test_letters_are_found_by_what_an_operator_knows_of_them(stock):
    key = stock.held_order()
    stock.process([a_delivery(completed(uuid4()))])
    first, second, third = stock.waiting()

    assert ids(stock.waiting(Wanted(key=key))) == [first["id"], second["id"]]
    assert ids(stock.waiting(Wanted(type="order.completed.v1"))) == [third["id"]]
    assert ids(stock.waiting(Wanted(reason="FIELD required"))) == [first["id"]]
    assert ids(stock.waiting(Wanted(id=third["id"]))) == [third["id"]]
    assert stock.waiting(Wanted(older_than=60)) == []
    assert ids(stock.waiting(Wanted(key=key, older_than=0))) == [first["id"], second["id"]]
    assert [letter["place"] for letter in stock.waiting()] == [1, 2, 1]


def test_a_stray_stands_in_no_queue(stock):
    stock.stray()

    assert [letter["place"] for letter in stock.waiting()] == [None]


def test_a_discarded_culprit_is_kept_with_who_and_why_and_its_saga_is_told(stock):
    key = stock.held_order(behind=0)

    done = stock.discard(Wanted(key=key))

    assert [letter["key"] for letter in done.letters] == [key]
    assert stock.waiting() == []
    assert stock.rows("SELECT * FROM key_holds") == []
    kept = "SELECT outcome, settled_by, note, settled_at IS NOT NULL FROM dead_letters"
    assert stock.rows(kept) == [("discarded", "anna", "seen to by hand", True)]
    assert stock.told() == ["stock.command-parked.v1"] * 2
    [(reason,)] = stock.rows("SELECT payload->>'reason' FROM outbox ORDER BY id DESC LIMIT 1")
    assert reason == "given up by anna: seen to by hand"


def test_what_waits_behind_a_discarded_culprit_waits_on_and_is_then_redriven(stock):
    key = stock.held_order(behind=2)

    done = stock.discard(Wanted(key=key))

    assert (len(done.letters), done.left) == (1, {key: 2})
    assert [letter["state"] for letter in stock.waiting()] == ["queued", "queued"]
    assert redrive.redrive(stock.engine, stock.consumer, Wanted(key=key), by="anna").freed == (key,)
    settled = stock.rows("SELECT outcome, settled_by FROM dead_letters ORDER BY id")
    assert settled == [("discarded", "anna"), ("redriven", "anna"), ("redriven", "anna")]


def test_a_discard_that_is_repeated_gives_up_nothing_more(stock):
    key = stock.held_order(behind=2)
    stock.discard(Wanted(key=key))

    again = stock.discard(Wanted(key=key))

    assert again.letters == []
    assert len(stock.waiting()) == 2
    assert "only queued" in again.refused[stock.waiting()[0]["id"]]


def test_only_the_first_letter_of_a_key_is_discarded_or_all_of_them(stock):
    key = stock.held_order(behind=2)
    first, second, _ = ids(stock.waiting())

    refused = stock.discard(Wanted(id=second))

    assert refused.letters == []
    assert refused.refused == {
        second: f"it waits behind letter {first}: discard that one first, or all with --whole-key"
    }
    assert len(stock.discard(Wanted(key=key), whole_key=True).letters) == 3
    assert stock.waiting() == []
    assert stock.rows("SELECT * FROM key_holds") == []


def test_a_queued_letter_that_stands_first_is_discarded_by_name(stock):
    key = stock.held_order(behind=1)
    stock.discard(Wanted(key=key))
    [left] = ids(stock.waiting())

    assert ids(stock.discard(Wanted(id=left)).letters) == [left]


def test_a_stray_can_only_be_discarded(stock):
    stock.stray()

    assert redrive.redrive(stock.engine, stock.consumer).handled == 0
    [letter] = stock.discard().letters

    assert letter["state"] == "stray"
    assert stock.waiting() == []
    assert stock.told() == []
    with (
        pytest.raises(Exception, match="ck_dead_letters_stray_not_redriven"),
        stock.engine.begin() as connection,
    ):
        connection.execute(text("UPDATE dead_letters SET outcome = 'redriven'"))


def test_two_who_discard_at_once_give_up_one_letter(stock):
    key = stock.held_order(behind=1)
    done = []
    people = [threading.Thread(target=lambda: done.append(stock.discard(Wanted(key=key)))) for _ in range(4)]

    for person in people:
        person.start()
    for person in people:
        person.join(timeout=30)

    assert sum(len(each.letters) for each in done) == 1
    assert [letter["state"] for letter in stock.waiting()] == ["queued"]
    assert stock.told() == ["stock.command-parked.v1"] * 3  # parked, queued, given up


def test_a_discard_waits_for_a_worker_that_has_the_key_in_hand(stock):
    key = stock.held_order(behind=0)
    with stock.engine.begin() as working:
        working.execute(text("SELECT 1 FROM key_holds FOR UPDATE"))
        person = threading.Thread(target=stock.discard, args=(Wanted(key=key),))
        person.start()
        person.join(timeout=0.5)
        assert person.is_alive()
    person.join(timeout=10)

    assert stock.waiting() == []


def test_a_dry_run_says_what_would_happen_and_changes_nothing(stock):
    key = stock.held_order(behind=2)
    stock.stray()
    before = stock.rows("SELECT id, state, attempts, outcome FROM dead_letters ORDER BY id")

    planned = redrive.plan(stock.engine, stock.consumer)
    given_up = stock.discard(do=discard.plan)

    assert [letter.id for letter in planned[key]] == ids(stock.waiting())[:3]
    assert [letter["state"] for letter in given_up.letters] == ["stray", "culprit"]
    assert given_up.left == {key: 2}
    assert stock.rows("SELECT id, state, attempts, outcome FROM dead_letters ORDER BY id") == before
    assert stock.rows("SELECT key FROM key_holds") == [(key,)]


def test_a_redrive_that_is_cut_short_leaves_no_hold_behind(stock):
    key = stock.held_order(behind=1)
    stock.discard(Wanted(key=key))
    stock.once_before("DELETE FROM key_holds", lose_the_database)

    with pytest.raises(OSError, match="gone"):
        redrive.redrive(stock.engine, stock.consumer, by="anna")
    redrive.redrive(stock.engine, stock.consumer, by="anna")

    assert stock.waiting() == []
    assert stock.rows("SELECT key FROM key_holds") == []


def lose_the_database():
    raise OSError("gone")


@pytest.mark.parametrize("wanted", [EVERYTHING, Wanted(key="an order")])
def test_a_hold_that_has_outlived_its_letters_is_let_go_of(stock, wanted):
    with stock.owner.begin() as connection:
        connection.execute(text("INSERT INTO key_holds (consumer, key) VALUES ('inventory', 'an order')"))

    assert redrive.plan(stock.engine, stock.consumer, wanted) == {"an order": []}
    assert redrive.redrive(stock.engine, stock.consumer, wanted).freed == ("an order",)

    assert stock.rows("SELECT key FROM key_holds") == []


@pytest.mark.parametrize("do", ["redrive", "discard"])
def test_a_culprit_that_is_parked_while_its_key_is_let_go_of_keeps_it_held(stock, do):
    """Somebody else has emptied the key since it was found, and let go of it."""
    command = reserve()
    stock.process([a_delivery(command, value=b"{}")])
    worker = threading.Thread(target=stock.process, args=([a_delivery(command, value=b"{}")],))

    def empty():
        with stock.owner.begin() as connection:
            settled = "settled_at = now(), outcome = 'discarded', settled_by = 'bob', note = 'done'"
            connection.execute(text(f"UPDATE dead_letters SET {settled}"))
            connection.execute(text("DELETE FROM key_holds"))

    def park():
        worker.start()
        until(
            lambda: not worker.is_alive() or stock.rows("SELECT 1 FROM pg_locks WHERE NOT granted"),
            within_seconds=10,
            what="a culprit is parked, or waits for that",
        )

    stock.once_before(("INSERT INTO key_holds", "SELECT key FROM key_holds"), empty)  # however it is locked
    stock.once_before("DELETE FROM key_holds", park)
    if do == "redrive":
        redrive.redrive(stock.engine, stock.consumer)
    else:
        stock.discard()
    worker.join(timeout=10)

    assert [letter["state"] for letter in stock.waiting()] == ["culprit"]
    assert stock.rows("SELECT key FROM key_holds") == [(command.key,)]


def test_a_redrive_goes_by_the_letter_that_holds_the_key(stock):
    key = stock.held_order(behind=1)
    first, second = ids(stock.waiting())

    assert redrive.plan(stock.engine, stock.consumer, Wanted(id=second)) == {}
    assert list(redrive.plan(stock.engine, stock.consumer, Wanted(id=first))) == [key]


def test_a_letter_is_shown_without_what_is_private(money):
    order = charge(token="tok_of_a_customer")
    value = order.model_dump_json()[:-1] + ', "card": {"number": "4111"}}'
    money.process([a_delivery(order, value=value.encode(), key=str(uuid4()), headers={"x-from": "4111"})])
    [letter] = money.waiting()

    with money.engine.connect() as connection:
        shown = letters.show(connection, letter["id"])

    assert shown["payload"] == {
        "order_id": order.key,
        "epoch": 1,
        "total": {"amount": 1250, "currency": "EUR"},
        "payment_token": letters.WITHHELD,
        "card": letters.WITHHELD,
    }
    assert shown["headers"]["x-from"] == letters.WITHHELD
    assert shown["headers"]["ce_type"] == "payment.charge.v1"
    assert "tok_of_a_customer" not in str(shown)


@pytest.mark.parametrize("value", [b'{"payment_token": "tok_1"', b'"tok_1"', b"\xfftok_1", b""])
def test_a_payload_that_is_no_message_shows_nothing_of_itself(value):
    assert "tok_1" not in str(letters.payload(value))


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("outcome = 'forgotten', settled_at = now()", "outcome_known"),
        ("outcome = 'redriven'", "outcome_told"),
        ("settled_at = now()", "outcome_told"),
        ("outcome = 'discarded', settled_at = now(), settled_by = 'anna'", "discard_explained"),
        ("outcome = 'discarded', settled_at = now(), note = 'why'", "discard_explained"),
    ],
)
def test_a_letter_is_not_settled_by_halves(stock, change, constraint):
    stock.held_order(behind=0)

    with pytest.raises(Exception, match=f"ck_dead_letters_{constraint}"), stock.engine.begin() as connection:
        connection.execute(text(f"UPDATE dead_letters SET {change}"))
