"""Bugs seeded into the real product, one after the other: a run of orders, and the checker finds each.

A checker that has never found anything proves nothing by finding nothing. The score stands at the end.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console
from sqlalchemy import create_engine, text

from chaos import orders
from chaos.checker import check
from chaos.collect import collect
from chaos.history import History, operations, read
from chaos.orders import Mix
from chaos.poison import bad_records
from chaos.rest import at_rest
from chaos.workload import Workload
from connect.client import ConnectClient
from contracts.services import INVENTORY, ORDER, SERVICES
from runtime.waiting import until
from stack import launch, postgres, prey
from tests.bugs.parent import BuggyWish

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

ORDERS, RATE = 100, 15
REST_SECONDS = 25
# Whoever only watches is not needed.
NODES = ("connectors", *(s.name for s in SERVICES), *(f"{s.name}-worker" for s in SERVICES))
NODES += ("payment-executor", "order-deadlines")
API, WORKER = ORDER.name, f"{ORDER.name}-worker"
STOCK, EXECUTOR = f"{INVENTORY.name}-worker", "payment-executor"
MANY_CANCELLED = Mix(cancelled=70)


@dataclass(frozen=True)
class Bug:
    """Where a bug is seeded, or what is done to the running system; `found_by` any of these invariants."""

    found_by: set[str]
    nodes: tuple[str, ...] = ()
    before: Callable = lambda _layout: None
    after: Callable = lambda _layout: None
    mix: Mix | None = None


def reconfigured(**settings):
    """What gives the order service's relay other settings; `__` stands for a dot."""

    def configure(layout):
        connect = ConnectClient(layout.connect_urls.split(","))
        changed = {name.replace("__", "."): value for name, value in settings.items()}
        connect.put_config(ORDER.connector, connect.config(ORDER.connector) | changed)
        until(
            lambda: connect.statuses()[ORDER.connector].state == "RUNNING",
            within_seconds=30,
            what="the relay to run again",
        )

    return configure


def without_constraint(layout):
    engine = create_engine(prey.database(layout, postgres.SUPERUSER, INVENTORY.database))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE stock DROP CONSTRAINT ck_stock_never_oversold"))
    engine.dispose()


def produce(layout, topic, key, value, headers):
    producer = Producer({"bootstrap.servers": layout.bootstrap_servers})
    producer.produce(topic, key=key, value=value, headers=headers)
    assert producer.flush(20) == 0


def write_past_the_outbox(layout):
    """A record as a service would write it, that no service wrote."""
    record, *_ = bad_records("order-created", "order.created.v1")
    produce(layout, record.topic, record.key, record.value, {**record.headers, "ce_source": "/order"})


def write_once_more(layout):
    """The last record of a partition, again."""
    consumer = Consumer({"bootstrap.servers": layout.bootstrap_servers, "group.id": "a-rogue"})
    place = TopicPartition("order-created", 0)
    _, end = consumer.get_watermark_offsets(place, timeout=20)
    consumer.assign([TopicPartition(place.topic, place.partition, 0)])
    found = [each for each in consumer.consume(end, 10) if each.error() is None]
    consumer.close()
    produce(layout, found[-1].topic(), found[-1].key(), found[-1].value(), found[-1].headers())


PLACEMENT = "id:header:ce_id,type:header:ce_type,{}:header:ce_source,created_at:header:ce_time,"
PLACEMENT += "sequence:header:sequence,saga_id:header:saga_id,traceparent:header:traceparent"
BUGS = {
    "event_is_forgotten": Bug({"S1"}, (API,)),
    "event_outlives_its_order": Bug({"S1", "S3"}, (API,)),
    "answered_before_commit": Bug({"S2"}, (API,)),
    "key_is_ignored": Bug({"S16"}, (API,)),
    "another_body_is_taken": Bug({"S16"}, (API,)),
    "status_goes_back": Bug({"S15"}, (API,)),
    "anothers_order_is_shown": Bug({"S17"}, (API,)),
    "offsets_before_processing": Bug({"S10"}, (WORKER,)),
    "inbox_is_not_written": Bug({"S10"}, (WORKER,)),
    "letter_is_dropped": Bug({"S10", "L2"}, (STOCK,)),
    "charged_twice": Bug({"S11"}, (EXECUTOR,)),
    "charged_too_much": Bug({"S11"}, (EXECUTOR,)),
    "refund_is_kept": Bug({"S11"}, (EXECUTOR,)),
    "payload_is_of_another": Bug({"S11"}, (API,)),
    "stock_is_not_counted": Bug({"S12"}, (STOCK,), before=without_constraint),
    "release_keeps_the_stock": Bug({"S12"}, (STOCK,), mix=MANY_CANCELLED),
    "sale_is_not_in_the_ledger": Bug({"S12"}, (STOCK,)),
    "sequence_stands_still": Bug({"S7"}, (API, WORKER)),
    "header_is_of_another_column": Bug(
        {"S8"},
        before=reconfigured(
            transforms__outbox__table__fields__additional__placement=PLACEMENT.format("aggregatetype")
        ),
    ),
    "key_is_the_event": Bug({"S8"}, before=reconfigured(transforms__outbox__table__field__event__key="id")),
    "relay_drops_some": Bug(
        {"S4"},
        before=reconfigured(
            transforms="specversion,specversionHeader,contentType,outbox,some",
            transforms__some__type="org.apache.kafka.connect.transforms.Filter",
            transforms__some__predicate="isSome",
            predicates="isOutbox,isSome",
            predicates__isSome__type="org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            predicates__isSome__pattern="order-completed",
        ),
    ),
    "record_is_no_services": Bug({"S6"}, after=write_past_the_outbox),
    "record_is_repeated": Bug({"S5"}, after=write_once_more),
}


@pytest.fixture
def attempt(tmp_path):
    """A function that runs orders on a stack with a bug, and gives each broken invariant with an example."""

    def run(name, bug):
        nodes = bug.nodes
        with launch.temporary("bugs") as wish:
            seeded = BuggyWish(
                **asdict(wish) | {"only": NODES}, bug=name if nodes else "nothing", chosen=nodes
            )
            with launch.running(seeded, Console()) as started:
                layout = prey.layout_of(wish.state, started)
                bug.before(layout)
                place_orders(layout, tmp_path / "history.jsonl", bug.mix)
                bug.after(layout)
                return judged(layout, tmp_path / "history.jsonl")

    return run


def place_orders(layout, path, mix):
    with History(path) as history:
        load = Workload(layout.url(ORDER.name), history, threading.Event())
        load.start(orders.plan(1, ORDERS, RATE, mix))
        load.join()


def judged(layout, path):
    endpoints = prey.endpoints_of(layout)
    evidence = collect(endpoints, at_rest(endpoints, REST_SECONDS))
    results = check(evidence, operations(read(path)))
    return {each.name.split()[0]: each.violations[0] for each in results if each.verdict == "invalid"}


def test_nothing_is_found_where_no_bug_is(attempt):
    assert attempt("nothing", Bug(set(), (API, WORKER, STOCK, EXECUTOR))) == {}


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_found(attempt, score, name):
    score[name] = ()
    broken = attempt(name, BUGS[name])
    score[name] = tuple(f"{code}: {broken[code]}" for code in sorted(broken))

    assert broken.keys() & BUGS[name].found_by, f"found instead: {broken}"
