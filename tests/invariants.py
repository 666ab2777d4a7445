"""What must hold whatever happened, checked from outside on the databases, the topics and the gateway."""

from collections import Counter

from contracts.services import SERVICES
from contracts.topics import CANARY, MESSAGE_TOPICS
from runtime.waiting import until
from tests.running_system import FINAL, RunningSystem

STRANGER = "/a-test"  # the source of records that a test wrote past the outbox
TOPICS = [topic.name for topic in MESSAGE_TOPICS] + [CANARY.name]
OUTBOX = "SELECT id::text, topic, aggregateid, payload::text, sequence, type, saga_id FROM outbox"


def assert_nothing_lost_or_doubled(
    system: RunningSystem, accepted: list[str], within_seconds: float = 90
) -> None:
    """Wait until everything came to rest, then check every promise."""
    until(lambda: at_rest(system), within_seconds=within_seconds, what="the system to come to rest")
    orders_are_final(system, accepted)
    every_event_is_in_its_topic_once(system)
    every_consumer_saw_every_event(system)
    money_agrees(system)
    stock_agrees(system)


def at_rest(system: RunningSystem) -> bool:
    """No order is under way, and whoever must see an event has seen it."""
    open_orders = system.query(
        "order", "SELECT count(*) FROM sagas WHERE status IN ('RUNNING', 'COMPENSATING')"
    )
    return open_orders == [(0,)] and not _unseen(system)


def orders_are_final(system: RunningSystem, accepted: list[str]) -> None:
    statuses = dict(system.query("order", "SELECT id::text, status FROM orders"))

    assert [i for i in accepted if i not in statuses] == [], "accepted orders that are gone"
    assert {i: s for i, s in statuses.items() if s not in FINAL} == {}


def every_event_is_in_its_topic_once(system: RunningSystem) -> None:
    written = {row[0]: row for service in SERVICES for row in system.query(service.name, OUTBOX)}
    records = [r for r in system.records(TOPICS) if r.headers.get("ce_source") != STRANGER]
    counts = Counter(record.headers["ce_id"] for record in records)

    assert set(written) - set(counts) == set(), "lost"
    assert set(counts) - set(written) == set(), "phantom"
    assert {i: n for i, n in counts.items() if n > 1} == {}, "duplicated"
    for record in records:
        _, topic, key, payload, sequence, kind, saga_id = written[record.headers["ce_id"]]
        assert (record.topic, record.key, record.value) == (topic, key, payload.encode())
        assert record.headers["sequence"] == str(sequence)
        assert (record.headers["ce_type"], record.headers["saga_id"]) == (kind, saga_id)
    _sequences_rise(records)


def _sequences_rise(records) -> None:
    """Within a topic a key's events keep their order; over all topics of a service none is missing."""
    last: dict[tuple[str, str], int] = {}
    seen: dict[tuple[str, str], set[int]] = {}
    for record in sorted(records, key=lambda r: (r.topic, r.partition, r.offset)):
        number = int(record.headers["sequence"])
        assert last.get((record.topic, record.key), 0) < number, record
        last[record.topic, record.key] = number
        seen.setdefault((record.headers["ce_source"], record.key), set()).add(number)
    for aggregate, numbers in seen.items():
        assert numbers == set(range(1, len(numbers) + 1)), aggregate


def every_consumer_saw_every_event(system: RunningSystem) -> None:
    assert _unseen(system) == {}


def _unseen(system: RunningSystem) -> dict[str, set[str]]:
    """By consumer, the ids written for it that its inbox does not have."""
    unseen = {}
    for reader in SERVICES:
        topics = [t.name for t in MESSAGE_TOPICS if reader.name in t.readers]
        names = ", ".join(f"'{name}'" for name in topics)
        written = {
            row[0]
            for service in SERVICES
            for row in system.query(service.name, f"SELECT id::text FROM outbox WHERE topic IN ({names})")
        }
        received = {row[0] for row in system.query(reader.name, "SELECT event_id::text FROM inbox")}
        if missing := written - received:
            unseen[reader.name] = missing
    return unseen


def money_agrees(system: RunningSystem) -> None:
    """Completed orders are paid for, no other is; and the gateway's ledger says the same.

    What a person has settled by hand, outside the system, is theirs to account for.
    """
    by_hand = {
        i for (i,) in system.query("order", "SELECT saga_id::text FROM saga_log WHERE kind = 'resolve'")
    }
    orders = {
        i: (status, total)
        for i, status, total in system.query("order", "SELECT id::text, status, total_amount FROM orders")
    }
    payments = system.query("payment", "SELECT order_id::text, captured, refunded FROM payments")
    assert {i for i, _, _ in payments} == set(orders)
    for order_id, captured, refunded in payments:
        status, total = orders[order_id]
        assert order_id in by_hand or captured - refunded == (total if status == "COMPLETED" else 0), order_id
    keys = {
        key: (order_id, operation)
        for key, order_id, operation in system.query(
            "payment", "SELECT id::text, order_id::text, operation FROM payment_intents"
        )
    }
    at_gateway = Counter[str]()
    for entry in system.gateway_ledger():
        order_id, operation = keys[entry["key"]]
        assert operation == entry["operation"]
        if entry["declined"] is None:
            at_gateway[order_id] += entry["amount"] if operation == "charge" else -entry["amount"]
    assert {i: at_gateway[i] for i in orders} == {i: c - r for i, c, r in payments}


def stock_agrees(system: RunningSystem) -> None:
    """Units are neither made nor lost, none is promised to a finished order, the ledger adds up."""
    stock = system.query("inventory", "SELECT sku, on_hand, reserved, sold FROM stock ORDER BY sku")
    ledger = system.query(
        "inventory",
        "SELECT sku, sum(on_hand)::bigint, sum(reserved)::bigint, sum(sold)::bigint FROM stock_ledger"
        " GROUP BY sku ORDER BY sku",
    )
    assert [row for row in stock if row[1:] != (0, 0, 0)] == ledger
    assert {sku: reserved for sku, _, reserved, _ in stock if reserved} == {}
    sold = Counter[str]()
    for (items,) in system.query("order", "SELECT items FROM orders WHERE status = 'COMPLETED'"):
        for item in items:
            sold[item["sku"]] += item["quantity"]
    assert {sku: n for sku, _, _, n in stock if n} == dict(sold)
