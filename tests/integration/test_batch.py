"""The batch processor on real tables: one effect per message, and nobody fails for a neighbour."""

import threading
from uuid import UUID, uuid4

import pytest
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from inventory import handlers as inventory
from messaging import letters
from messaging.batch import BatchProcessor
from messaging.redrive import redrive
from payment import handlers as payment
from tests.builders import a_delivery, an_event_id, charge, completed, refund, release, reserve


@pytest.fixture
def stock(engine_of):
    """The inventory service's processor and a way to look at its database."""
    return Service(engine_of("inventory"), engine_of("inventory", "migrator"), inventory.consumer())


@pytest.fixture
def money(engine_of):
    return Service(engine_of("payment"), engine_of("payment", "migrator"), payment.consumer())


class Service:
    def __init__(self, engine, owner, consumer):
        self.engine, self.owner, self.consumer = engine, owner, consumer
        self.processor = BatchProcessor(engine, consumer)

    def process(self, *deliveries):
        self.processor.process(deliveries)

    def statements(self, messages):
        """How many statements the database is sent for a batch."""
        sent = []
        event.listen(self.engine, "before_cursor_execute", lambda *_: sent.append(1))
        self.process(*map(a_delivery, messages))
        return len(sent)

    def rows(self, statement):
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def told(self):
        return self.rows("SELECT aggregateid, type, sequence FROM outbox ORDER BY id")

    def letters(self):
        return self.rows("SELECT key, state FROM dead_letters WHERE settled_at IS NULL ORDER BY id")


def test_a_message_and_its_redelivery_have_one_effect(stock):
    delivery = a_delivery(reserve(quantity=3))

    stock.process(delivery)
    stock.process(delivery)
    stock.process(delivery, delivery)

    assert stock.rows("SELECT reserved FROM stock WHERE sku = 'PIZZA'") == [(3,)]
    assert stock.told() == [(delivery.key, "stock.reserved.v1", 1)]
    assert stock.rows("SELECT count(*) FROM inbox") == [(1,)]


def test_the_same_batch_given_to_two_workers_at_once_has_one_effect(stock):
    batch = [a_delivery(reserve()) for _ in range(50)]
    workers = [
        threading.Thread(target=stock.process, args=(batch if n % 2 else batch[::-1])) for n in range(4)
    ]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)

    assert stock.rows("SELECT reserved FROM stock WHERE sku = 'PIZZA'") == [(50,)]
    assert len(stock.told()) == 50


def test_two_messages_of_one_key_in_one_batch_are_handled_in_order(stock):
    command = reserve(quantity=2)

    stock.process(a_delivery(command), a_delivery(completed(command.order_id)))

    assert stock.rows("SELECT reserved, sold FROM stock WHERE sku = 'PIZZA'") == [(0, 2)]
    assert stock.rows("SELECT status FROM reservations") == [("SOLD",)]
    assert stock.letters() == []


def test_orders_for_one_sku_in_one_batch_share_it_and_never_oversell(stock):
    batch = [a_delivery(reserve("LAPTOP", 400)) for _ in range(3)]

    stock.process(*batch)

    assert stock.rows("SELECT on_hand, reserved FROM stock WHERE sku = 'LAPTOP'") == [(200, 800)]
    kinds = [kind for _, kind, _ in stock.told()]
    assert kinds == ["stock.reserved.v1", "stock.reserved.v1", "stock.rejected.v1"]


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({"value": b"{"}, id="no JSON"),
        pytest.param({"value": b"{}"}, id="no fields"),
        pytest.param({"value": b"\xff\x00"}, id="no text"),
        pytest.param({"value": b""}, id="nothing"),
        pytest.param({"headers": {"ce_type": "stock.reserved.v1"}}, id="a type that is not for us"),
        pytest.param({"headers": {"ce_type": "inventory.reserve.v9"}}, id="a newer type"),
        pytest.param({"key": str(uuid4())}, id="another order's key"),
    ],
)
def test_a_poison_message_amid_good_ones_is_parked_alone(stock, poison):
    good = [a_delivery(reserve()) for _ in range(5)]
    culprit = a_delivery(reserve(), **poison)

    stock.process(*good[:2], culprit, *good[2:])

    assert stock.rows("SELECT reserved FROM stock WHERE sku = 'PIZZA'") == [(5,)]
    assert stock.letters() == [(culprit.key, "culprit")]
    assert len(stock.rows("SELECT 1 FROM inbox")) == 6


def test_a_handlers_failure_is_the_messages_own(stock):
    never_reserved = a_delivery(completed(uuid4()))
    good = a_delivery(reserve())

    stock.process(never_reserved, good)

    [(reason,)] = stock.rows("SELECT reason FROM dead_letters")
    assert "reservation is not there" in reason
    assert [key for key, _, _ in stock.told()] == [good.key]


def test_later_messages_of_a_held_key_queue_and_others_go_on(stock):
    command = reserve()
    bad = a_delivery(command, value=b"{}")

    stock.process(bad)
    stock.process(a_delivery(completed(command.order_id)), a_delivery(reserve()))

    assert stock.letters() == [(command.key, "culprit"), (command.key, "queued")]
    assert [kind for _, kind, _ in stock.told()] == ["stock.command-parked.v1", "stock.reserved.v1"]


def test_a_compensation_passes_the_hold(money):
    order = charge()
    money.process(a_delivery(order, value=b"{}"))

    money.process(a_delivery(refund(order.order_id)))

    assert money.letters() == [(order.key, "culprit")]
    assert [kind for _, kind, _ in money.told()] == ["payment.command-parked.v1", "payment.refunded.v1"]


def test_a_redrive_handles_the_key_in_order_and_frees_it(stock):
    command = reserve(quantity=2)
    stock.process(a_delivery(completed(command.order_id)))
    stock.process(a_delivery(reserve(quantity=1, order_id=command.order_id)))
    assert stock.letters() == [(command.key, "culprit"), (command.key, "queued")]

    refused = redrive(stock.engine, stock.consumer)

    assert refused.handled == 0
    assert list(refused.still_held) == [command.key]

    _reserve_by_hand(stock, command.order_id)
    mended = redrive(stock.engine, stock.consumer)
    again = redrive(stock.engine, stock.consumer)

    assert (mended.handled, mended.freed, mended.still_held) == (2, (command.key,), {})
    assert again.handled == 0
    assert stock.letters() == []
    assert stock.rows("SELECT * FROM key_holds") == []
    assert stock.rows("SELECT sold FROM stock WHERE sku = 'PIZZA'") == [(2,)]


def _reserve_by_hand(stock, order_id: UUID):
    """What a person does about a completed order without a reservation."""
    with stock.owner.begin() as connection:
        connection.execute(text("UPDATE stock SET on_hand = on_hand - 2, reserved = 2 WHERE sku = 'PIZZA'"))
        connection.execute(
            text(
                "INSERT INTO reservations (order_id, status, items)"
                """ VALUES (:id, 'RESERVED', '[{"sku": "PIZZA", "quantity": 2}]')"""
            ),
            {"id": order_id},
        )


def test_a_worker_waits_for_a_redrive_of_its_key(stock):
    command = reserve()
    stock.process(a_delivery(command, value=b"{}"))
    with stock.engine.begin() as redriving:
        redriving.execute(text("SELECT 1 FROM key_holds FOR UPDATE"))
        worker = threading.Thread(target=stock.process, args=(a_delivery(completed(command.order_id)),))
        worker.start()
        worker.join(timeout=0.5)
        assert worker.is_alive()
        redriving.execute(text("DELETE FROM key_holds"))
    worker.join(timeout=10)

    assert not worker.is_alive()
    assert stock.letters()[-1] == (command.key, "culprit")  # handled, not queued behind a hold that is gone


def test_a_record_without_an_id_is_kept_and_holds_nothing(stock):
    command = reserve()
    stray = a_delivery(command, headers={"ce_id": "none"})

    stock.process(stray)
    stock.process(stray)
    stock.process(a_delivery(command))

    assert stock.letters() == [(command.key, "stray")]
    assert len(stock.told()) == 1


@pytest.mark.parametrize(
    ("event_id", "reason"),
    [
        (UUID("01000000-0000-7000-8000-000000000000"), "too old"),
        (UUID("f1000000-0000-7000-8000-000000000000"), "future"),
    ],
)
def test_an_id_that_the_inbox_cannot_judge_is_never_handled(stock, event_id, reason):
    stock.process(a_delivery(reserve(), event_id=event_id), a_delivery(reserve()))

    [(told,)] = stock.rows("SELECT reason FROM dead_letters WHERE state = 'stray'")
    assert reason in told
    assert len(stock.told()) == 1


def test_a_database_failure_parks_nothing_and_keeps_nothing(stock, databases):
    batch = [a_delivery(reserve()) for _ in range(3)]
    hasty = create_engine(
        databases.url("inventory"), connect_args={"options": "-c lock_timeout=200ms"}, poolclass=NullPool
    )
    with stock.owner.begin() as other:
        other.execute(text("SELECT 1 FROM stock WHERE sku = 'PIZZA' FOR UPDATE"))
        with pytest.raises(OperationalError, match="lock timeout"):
            BatchProcessor(hasty, stock.consumer).process(batch)

    assert stock.letters() == []
    assert stock.told() == []
    stock.process(*batch)
    assert len(stock.told()) == 3


def test_a_missing_partition_is_nobodys_fault(stock):
    command = reserve()
    with stock.owner.begin() as owner:
        for (name,) in stock.rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox'::regclass"
        ):
            owner.execute(text(f"ALTER TABLE outbox DETACH PARTITION {name}"))

    with pytest.raises(IntegrityError, match="no partition"):
        stock.process(a_delivery(command), a_delivery(reserve()))

    assert stock.letters() == []


def test_a_culprit_parked_during_a_redrive_keeps_its_key_held(money, stock):
    """The redrive has found no more letters and is about to let go of the key."""
    command = completed(uuid4())
    stock.process(a_delivery(command))
    late = release(command.order_id)
    with stock.engine.begin() as redriving:
        redriving.execute(text("SELECT 1 FROM key_holds FOR UPDATE"))
        redriving.execute(
            text("UPDATE dead_letters SET settled_at = clock_timestamp(), outcome = 'redriven'")
        )
        redriving.execute(text("DELETE FROM key_holds"))
        with stock.owner.begin() as connection:
            connection.execute(text("ALTER TABLE fences ADD CONSTRAINT closed CHECK (state <> 'tombstone')"))
        worker = threading.Thread(target=stock.process, args=(a_delivery(late),))
        worker.start()
        worker.join(timeout=1)
        assert worker.is_alive()  # it waits for the redrive
    worker.join(timeout=10)

    assert stock.letters() == [(command.key, "culprit")]
    assert stock.rows("SELECT key FROM key_holds") == [(command.key,)]


def test_a_parked_command_is_told_to_its_saga_once(stock):
    culprit = a_delivery(reserve(), value=b"{}")

    stock.process(culprit)
    stock.process(culprit)

    assert stock.told() == [(culprit.key, "stock.command-parked.v1", 1)]


def test_a_command_that_queues_behind_a_parked_one_is_told_too(stock):
    """Else a saga whose command was tried again would wait for an answer that cannot come."""
    command = reserve()
    stock.process(a_delivery(command, value=b"{}"))

    stock.process(a_delivery(command.model_copy(update={"epoch": 2})))

    assert stock.letters() == [(command.key, "culprit"), (command.key, "queued")]
    assert [kind for _, kind, _ in stock.told()] == ["stock.command-parked.v1"] * 2


@pytest.mark.parametrize("kind", [reserve, release])
def test_a_batch_takes_as_many_statements_for_many_orders_as_for_few(stock, kind):
    few, many = ([reserve() for _ in range(number)] for number in (2, 60))
    if kind is release:
        stock.process(*map(a_delivery, few + many))
        few, many = ([release(each.order_id) for each in batch] for batch in (few, many))
    stock.process(a_delivery(kind()))  # what a processor asks for once is asked for

    counts = [stock.statements(batch) for batch in (few, many)]

    assert counts[0] == counts[1] < 20


def test_the_list_of_dead_letters_names_what_a_person_needs(stock):
    delivery = a_delivery(reserve(), value=b"{}", event_id=an_event_id())
    stock.process(delivery)

    with stock.engine.connect() as connection:
        [letter] = letters.list_waiting(connection)

    assert letter["key"] == delivery.key
    assert letter["event_id"] == delivery.event_id
    assert "order_id: Field required" in letter["reason"]
