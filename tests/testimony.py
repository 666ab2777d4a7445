"""Evidence and histories by hand: orders that went well, for tests of the checker to damage."""

import hashlib
from dataclasses import dataclass, field
from itertools import count

from chaos.evidence import Evidence
from chaos.history import Entry, Operation
from chaos.rows import (
    Event,
    Fence,
    GatewayEntry,
    Intent,
    Key,
    MoneyMove,
    Order,
    Payment,
    Place,
    Position,
    Receipt,
    Record,
    Reservation,
    Saga,
    SagaLine,
    Stock,
    StockMove,
)
from contracts.messages import MESSAGES, Command, Reply
from contracts.services import SERVICES
from contracts.topics import MESSAGE_TOPICS, read_by

WALL = 1_000_000.0  # when a run of these began
PRICE = 500
WRITER = {topic.name: topic.writer for topic in MESSAGE_TOPICS}
UNITS = 10  # of a pizza, before anybody ordered

# By an order's end: what was told, and where its saga was after that.
WAYS = {
    "COMPLETED": [
        ("order.created.v1", "RUNNING"),
        ("payment.charge.v1", "RUNNING"),
        ("payment.captured.v1", "RUNNING"),
        ("inventory.reserve.v1", "RUNNING"),
        ("stock.reserved.v1", "COMPLETED"),
        ("order.completed.v1", "COMPLETED"),
    ],
    "FAILED": [
        ("order.created.v1", "RUNNING"),
        ("payment.charge.v1", "RUNNING"),
        ("payment.declined.v1", "COMPENSATED"),
        ("order.failed.v1", "COMPENSATED"),
    ],
    "OUT_OF_STOCK": [
        ("order.created.v1", "RUNNING"),
        ("payment.charge.v1", "RUNNING"),
        ("payment.captured.v1", "RUNNING"),
        ("inventory.reserve.v1", "RUNNING"),
        ("stock.rejected.v1", "COMPENSATING"),
        ("payment.refund.v1", "COMPENSATING"),
        ("payment.refunded.v1", "COMPENSATED"),
        ("order.failed.v1", "COMPENSATED"),
    ],
}
PAID = {"COMPLETED": "CAPTURED", "FAILED": "DECLINED", "OUT_OF_STOCK": "REFUNDED"}
FENCES = {
    "COMPLETED": {"payment": "done", "inventory": "done"},
    "FAILED": {"payment": "refused"},
    "OUT_OF_STOCK": {"payment": "undone", "inventory": "refused"},
}


@dataclass
class World:
    """Collects the rows of orders that ended, each as its table would hold it."""

    rows: dict = field(default_factory=dict)
    numbers: count = field(default_factory=lambda: count(1))
    sequences: dict = field(default_factory=dict)
    offsets: dict = field(default_factory=dict)

    def add(self, table, *rows):
        self.rows.setdefault(table, []).extend(rows)

    def order(self, order_id, end, at=0.0):
        self.add("orders", Order(order_id, end, PRICE, "EUR", (("PIZZA", 1),), WALL + at))
        saga = WAYS[end][-1][1]
        self.add("sagas", Saga(order_id, saga, None if saga == "COMPLETED" else "refused"))
        self.add("keys", Key("address 127.0.0.1", "POST /orders", f"key-{order_id}", "f", order_id))
        self.line(order_id, "begun", "RUNNING", at)
        for place, (kind, status) in enumerate(WAYS[end], 1):
            self.tell(order_id, kind, status, at + place / 10)
        captured = PRICE if end != "FAILED" else 0
        refunded = PRICE if end == "OUT_OF_STOCK" else 0
        self.add("payments", Payment(order_id, PAID[end], PRICE, captured, refunded))
        steps = {"payment": "charge", "inventory": "reserve"}
        self.add("fences", *(Fence(s, order_id, steps[s], state) for s, state in FENCES[end].items()))
        if end != "FAILED":
            held = "SOLD" if end == "COMPLETED" else "REJECTED"
            self.add("reservations", Reservation(order_id, held, (("PIZZA", 1),)))

    def tell(self, order_id, kind, status, at):
        message, number = MESSAGES[kind], next(self.numbers)
        service = WRITER[message.topic]
        sequence = self.sequences[service, order_id] = self.sequences.get((service, order_id), 0) + 1
        offset = self.offsets[message.topic] = self.offsets.get(message.topic, -1) + 1
        digest = hashlib.sha256(f"{kind} {order_id}".encode()).hexdigest()
        event_id, topic = f"event-{number}", message.topic
        envelope = (order_id, kind, f"/{service}", order_id)
        key, kind_, source, saga_id = envelope
        self.add(
            "outbox",
            Event(
                service,
                event_id,
                topic,
                key,
                kind_,
                source,
                saga_id,
                sequence,
                digest,
                WALL + at,
                number,
            ),
        )
        self.add(
            "records",
            Record(topic, 0, offset, key, event_id, kind_, source, saga_id, str(sequence), digest, WALL + at),
        )
        self.add("reread", Place(topic, 0, offset, event_id))
        for reader in (s.name for s in SERVICES if topic in read_by(s.name)):
            self.add("inbox", Receipt(reader, event_id, topic, 0, offset))
        self.note(order_id, message, status, event_id, at)
        self.move(order_id, kind, number)

    def note(self, order_id, message, status, event_id, at):
        kinds = {Command: "command", Reply: "reply"}
        kind = next((name for base, name in kinds.items() if issubclass(message, base)), "event")
        self.line(order_id, kind, status, at, message.type, event_id)

    def line(self, order_id, kind, status, at, message_type=None, event_id=None):
        number = len(self.rows.get("saga_log", ())) + 1
        self.add("saga_log", SagaLine(number, order_id, WALL + at, kind, status, message_type, event_id))

    def move(self, order_id, kind, xact):
        """What the event tells of, in the transaction that wrote it."""
        if kind in {"payment.captured.v1", "payment.declined.v1", "payment.refunded.v1"}:
            operation = "refund" if kind == "payment.refunded.v1" else "charge"
            self.pay(order_id, operation, xact, "declined" if kind == "payment.declined.v1" else None)
        if kind == "stock.reserved.v1":
            self.stock(order_id, "reserve", -1, 1, 0, xact)
        if kind == "order.completed.v1":
            self.stock(order_id, "sell", 0, -1, 1, xact)

    def pay(self, order_id, operation, xact, declined):
        number, key = len(self.rows.get("gateway", ())) + 1, f"{operation}-{order_id}"
        self.add("intents", Intent(key, order_id, operation, 1, "SETTLED"))
        self.add("gateway", GatewayEntry(number, key, operation, PRICE, declined))
        if declined is None:
            amount = PRICE if operation == "charge" else -PRICE
            self.add("money", MoneyMove(order_id, operation, amount, f"op_{number}", xact))

    def stock(self, order_id, movement, on_hand, reserved, sold, xact):
        number = len(self.rows.get("stock_moves", ())) + 1
        move = StockMove(number, order_id, "PIZZA", movement, on_hand, reserved, sold, xact)
        self.add("stock_moves", move)

    def evidence(self):
        sums = [sum(column) for column in zip(*(m[4:7] for m in self.rows["stock_moves"]), strict=True)]
        self.add("stock", Stock("PIZZA", *sums))
        for reader in SERVICES:
            for topic in read_by(reader.name):
                if topic in self.offsets:
                    self.add("positions", Position(reader.name, topic, 0, self.offsets[topic] + 1))
        return Evidence(**{table: tuple(rows) for table, rows in self.rows.items()})


def a_good_system(**extra):
    """Two orders of each end."""
    world = World()
    world.stock(None, "restock", UNITS, 0, 0, 0)
    for end in [*WAYS, *WAYS]:
        world.order(f"order-{next(world.numbers)}", end, **extra)
    return world.evidence()


# ── histories

_numbers = count(1)


def an_operation(kind, outcome="ok", at=0.0, took=0.1, status=None, key=None, said=None, told=None, **more):
    """An operation that began `at` seconds and `took` a while; without an outcome it has no end."""
    number, process = next(_numbers), more.pop("process", "client-1")
    begin = Entry(
        number, at, WALL + at, process, kind, "invoke", key, more.pop("intended", at), value=said or {}
    )
    if outcome is None:
        return Operation(begin, None)
    end = at + took
    return Operation(
        begin, Entry(number, end, WALL + end, process, kind, outcome, key, status=status, value=told or {})
    )


BODY = {"items": [{"sku": "PIZZA", "quantity": 1}]}
OTHER_BODY = {"items": [{"sku": "PIZZA", "quantity": 2}]}


def placed(order_id, outcome="ok", kind="place", body=None, key=None, **more):
    told = {"order_id": order_id, "status": "PENDING"} if outcome == "ok" else {}
    said = {"body": body or BODY}
    status = more.pop("status", {"ok": 201, "fail": 503}.get(outcome))
    return an_operation(
        kind, outcome, key=key or f"key-{order_id}", said=said, told=told, status=status, **more
    )


def looked(order_id, status, at=5.0, told_of=None, kind="get", **more):
    told = {"order_id": told_of or order_id, "status": status}
    return an_operation(kind, at=at, said={"order_id": order_id}, told=told, status=200, **more)


def a_fault(at=1.0, took=2.0, effect=("pid",), fault="kill -9", outcome="ok"):
    said = {"fault": fault, "targets": ["broker-1"], "choice": "leader broker"}
    told = {**said, "effect": effect if isinstance(effect, dict) else dict.fromkeys(effect, 1)}
    return an_operation("fault", outcome, at, took, process="nemesis", said=said, told=told)


def a_good_history(evidence):
    """Every order placed under its key, and seen at its end."""
    operations = [placed(order.id, at=n / 10) for n, order in enumerate(evidence.orders)]
    operations += [looked(order.id, "PENDING", at=2.0) for order in evidence.orders]
    return operations + [looked(order.id, order.status, at=9.0) for order in evidence.orders]
