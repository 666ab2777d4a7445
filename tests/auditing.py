"""The auditor on real databases without Kafka: rows as services write them, records as relays make them."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

from sqlalchemy import create_engine, text

from audit import books, explanations, intake, judgement, repair, report, restored, sql
from audit.digest import of_record
from audit.judgement import Checkpoint
from audit.report import Scene
from audit.session import Session
from audit.sources import Slot, Source
from audit.topics import Arrival
from contracts.messages import (
    ChargePayment,
    Money,
    OrderCompleted,
    OrderCreated,
    OrderFailed,
    PaymentCaptured,
    PaymentRefunded,
    PricedItem,
    StockReserved,
)
from contracts.services import SERVICE, SERVICES
from contracts.topics import MESSAGE_TOPICS
from messaging import outbox

PRICE = Money(amount=1250, currency="EUR")
TOPICS = [topic.name for topic in MESSAGE_TOPICS]
GOOD_SLOTS = {service.name: Slot(0, "reserved", True) for service in SERVICES}

# A round later than what a report waits for.
AGE = """
    UPDATE awaited SET noted_at = noted_at - interval '1 minute';
    UPDATE unread SET noted_at = noted_at - interval '1 minute';
    UPDATE gaps SET noted_at = noted_at - interval '1 minute';
    UPDATE unclaimed SET noted_at = noted_at - interval '1 minute';
    UPDATE unsettled SET suspect_since = suspect_since - interval '1 minute',
        looked_at = looked_at - interval '1 minute';
"""
ORDER_ROW = """
    INSERT INTO orders (id, status, items, total_amount, currency) VALUES
    (:id, :status, '[{"sku": "PIZZA", "quantity": 1, "unit_price": 1250}]', 1250, 'EUR')
"""
PAID = """
    INSERT INTO payments (order_id, status, amount, currency, captured, refunded)
    VALUES (:id, :status, 1250, 'EUR', 1250, :refunded)
"""
MONEY = """
    INSERT INTO payment_ledger (order_id, operation, amount, currency, gateway_reference)
    VALUES (:id, :operation, :amount, 'EUR', 'op')
"""
MOVED = """
    INSERT INTO stock_ledger (order_id, sku, movement, on_hand, reserved, sold)
    VALUES (:id, 'PIZZA', :movement, :on_hand, :reserved, :sold)
"""
MOVE = """
    UPDATE stock SET on_hand = on_hand + :on_hand, reserved = reserved + :reserved, sold = sold + :sold
    WHERE sku = 'PIZZA'
"""


class AuditedSystem:
    """Three services' databases and the auditor's. A relay carries only what a test lets it carry."""

    def __init__(self, engine_of, databases):
        self.databases = databases
        self.engine = engine_of("audit", "auditor")
        self.session = Session(self.engine)
        self.sources = {s.name: Source(s, engine_of(s.name, "auditor")) for s in SERVICES}
        self.apps = {s.name: engine_of(s.name) for s in SERVICES}
        self.owners = {name: engine_of(name, "migrator") for name in (*SERVICE, "audit")}
        self.repairs = {s.name: engine_of(s.name, "repair") for s in SERVICES}
        self.ends = defaultdict(int)
        self.body = {}
        self.doubted = {}

    def close(self):
        self.session.close()

    # ── what services do

    def write(self, service, *messages):
        with self.apps[service].begin() as connection:
            ids = outbox.write(connection, service, messages, {})
        return self.rows(service, ids)

    def rows(self, service, ids):
        """The outbox's rows, in the order of the ids."""
        statement = (
            "SELECT id, aggregateid AS key, type, topic, sequence, source, saga_id, payload::text AS payload"
            " FROM outbox WHERE id = ANY(CAST(:ids AS uuid[]))"
        )
        found = {row.id: row for row in self.ask(service, statement, ids=list(ids))}
        return [found[each] for each in ids]

    def events(self, count=3, service="order", key=None):
        """So many events of one key that one service reads: rows of the outbox."""
        order_id = key or uuid4()
        messages = [
            ChargePayment(order_id=order_id, total=PRICE, payment_token="tok_ok", epoch=n + 1)
            for n in range(count)
        ]
        return self.write(service, *messages)

    def write_after(self, row):
        """One more event of the row's key."""
        [newer] = self.events(1, key=UUID(row.key))
        return newer

    def order(self, *, completed=True):
        """An order that has ended, with the money, the stock and the events of its end."""
        order_id = uuid4()
        self.do("order", ORDER_ROW, id=order_id, status="COMPLETED" if completed else "CANCELLED")
        self.do(
            "payment",
            PAID,
            id=order_id,
            status="CAPTURED" if completed else "REFUNDED",
            refunded=0 if completed else PRICE.amount,
        )
        self.do("payment", MONEY, id=order_id, operation="charge", amount=PRICE.amount)
        items = (PricedItem(sku="PIZZA", quantity=1, unit_price=PRICE.amount),)
        told = self.write("order", OrderCreated(order_id=order_id, items=items, total=PRICE))
        told += self.write("payment", PaymentCaptured(order_id=order_id, total=PRICE))
        if completed:
            self.move(order_id, "reserve", -1, 1, 0)
            self.move(order_id, "sell", 0, -1, 1)
            told += self.write("inventory", StockReserved(order_id=order_id))
            told += self.write("order", OrderCompleted(order_id=order_id))
        else:
            self.do("payment", MONEY, id=order_id, operation="refund", amount=-PRICE.amount)
            told += self.write("payment", PaymentRefunded(order_id=order_id, total=PRICE))
            told += self.write("order", OrderFailed(order_id=order_id, status="CANCELLED", reason="asked"))
        return order_id, told

    def move(self, order_id, movement, on_hand, reserved, sold):
        moved = {"on_hand": on_hand, "reserved": reserved, "sold": sold}
        with self.owners["inventory"].begin() as connection:
            connection.execute(text(MOVED), {"id": order_id, "movement": movement, **moved})
            connection.execute(text(MOVE), moved)

    def do(self, database, statement, **values):
        with self.owners[database].begin() as connection:
            connection.execute(text(statement), values)

    def ask(self, database, statement, **values):
        with self.owners[database].connect() as connection:
            return connection.execute(text(statement), values).all()

    def consume(self, *consumers):
        """Let consumers see whatever the auditor waits for them to see."""
        for consumer in consumers or SERVICE:
            unread = self.ask(
                "audit",
                "SELECT event_id, topic, partition FROM unread WHERE consumer = :name",
                name=consumer,
            )
            for row in unread:
                self.receive(consumer, row.event_id, row.topic)

    def receive(self, consumer, event_id, topic):
        self.do(
            consumer,
            'INSERT INTO inbox (event_id, consumer, topic, partition, "offset")'
            " VALUES (:id, :consumer, :topic, 0, 0)",
            id=event_id,
            consumer=consumer,
            topic=topic,
        )

    # ── what a relay does

    def record(self, row, **changes):
        """The next record of its partition, as the relay would make it from the row; or changed."""
        value = changes.pop("payload", row.payload).encode()
        arrival = Arrival(
            topic=row.topic,
            partition=0,
            offset=-1,
            event_id=row.id,
            key=row.key,
            sequence=row.sequence,
            source=row.source,
            digest=b"",
            appended_at=datetime.now(UTC),
        )
        arrival = replace(arrival, **changes)
        headers = {
            "ce_type": row.type,
            "sequence": str(arrival.sequence),
            "ce_source": arrival.source,
            "saga_id": row.saga_id,
        }
        place = (arrival.topic, arrival.partition)
        self.ends[place] += 1
        return replace(arrival, offset=self.ends[place] - 1, digest=of_record(arrival.topic, headers, value))

    def records(self, rows):
        return [self.record(row) for row in rows]

    def replayed(self, service):
        """The rows that a relay would send from the replay table, in their order."""
        ids = [row.id for row in self.ask(service, "SELECT id FROM outbox_replay ORDER BY replay_id")]
        return self.rows(service, ids)

    # ── what the auditor does

    def round(self, arrivals=(), *, passed=True, positions=None, most=20_000, **scene):
        """One round, as audit.rounds does it; answers with the report.

        `passed`: every relay has passed everything that was noted in the rounds before, and the topics
        were read to the ends that they had then.
        """
        with self.session.begin() as connection:
            connection.execute(sql.MAKE_NEWS)
            restored.look_for(connection, self.sources)
            began_at = connection.execute(sql.NOW).scalar_one()
            before = connection.execute(text("SELECT coalesce(max(noted_lsn), -1) FROM awaited")).scalar_one()
            helpings = self.written(connection, most)
            intake.take_in(connection, arrivals, helpings)
            self.doubted = judgement.find_phantoms(connection, self.sources, self.doubted)
            confirmed = dict.fromkeys(SERVICE, before) if passed else {}
            judgement.find_lost(connection, Checkpoint(confirmed), TOPICS)
            for source in self.sources.values():
                cluster = SimpleNamespace(positions=lambda _group: positions or {})
                judgement.find_skipped(connection, source, cluster)
            stock = books.look(connection, self.sources)
            explanations.look_for(connection, self.sources)
            days = {name: source.days_ahead() for name, source in self.sources.items()}
            told = {
                "slots": GOOD_SLOTS,
                "missing_topics": (),
                "behind": books.behind(connection),
                "days_ahead": days,
                "held_up": [name for name, helping in helpings.items() if helping.is_held_up],
                **scene,
            }
            self.body = report.write_report(connection, Scene(began_at=began_at, stock=stock, **told))
        return self.body

    def written(self, connection, most=20_000):
        marks = {row.service: row.outbox_mark for row in connection.execute(sql.MARKS)}
        return {name: source.written(marks.get(name, 0), most) for name, source in self.sources.items()}

    def later(self, *arguments, **more):
        """A round, when everything that was noted is a minute old."""
        self.do("audit", AGE)
        return self.round(*arguments, **more)

    def cut(self, pid):
        """End a session, as an operator does, or a restart of Postgres."""
        superuser = create_engine(self.databases.admin("audit"))
        with superuser.connect() as connection:
            assert connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar()
        superuser.dispose()

    def forget_topic(self, topic):
        with self.engine.begin() as connection:
            intake.forget_topic(connection, topic)

    def settled(self, rows):
        """Let rows arrive and be seen by everybody."""
        self.round(self.records(rows))
        self.consume()
        return self.round()

    def repair(self, reason="found missing"):
        return repair.send_again(self.engine, self.repairs, "anna", reason)


def red(body):
    """The invariants that do not hold."""
    return [each["name"] for each in body["invariants"] if each["verdict"] == "red"]


def ids(rows):
    return [str(row.id) for row in rows]


def a_stranger(key="a-strangers-key", topic="order-created", source="/order", kind="order.created.v1"):
    """A row that no outbox has."""
    return SimpleNamespace(
        id=UUID(int=uuid4().int),
        key=key,
        type=kind,
        topic=topic,
        sequence=1,
        source=source,
        saga_id=None,
        payload="{}",
    )
