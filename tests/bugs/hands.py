"""What somebody does to a running system: by SQL, in Kafka, and in Connect's configuration."""

from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from sqlalchemy import create_engine, text

from chaos.poison import OPERATOR, bad_records
from chaos.rest import at_rest
from connect.client import ConnectClient
from contracts.services import INVENTORY, ORDER
from contracts.topics import PARTITIONS
from runtime.waiting import until
from stack import postgres, prey, record

REST_SECONDS = 25
SENT_SECONDS = 20
# Nobody waits for the records of this one.
UNREAD = "order-created"


def change_relay(layout, **settings):
    """Give the order service's relay other settings; `__` stands for a dot."""
    connect = ConnectClient(layout.connect_urls.split(","))
    changed = {name.replace("__", "."): value for name, value in settings.items()}
    connect.put_config(ORDER.connector, connect.config(ORDER.connector) | changed)
    until(
        lambda: connect.statuses()[ORDER.connector].state == "RUNNING",
        within_seconds=30,
        what="the relay to run again",
    )


def as_superuser(layout, service, statement):
    engine = create_engine(prey.database(layout, postgres.SUPERUSER, service.database))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def drop_check_of_stock(layout):
    as_superuser(layout, INVENTORY, "ALTER TABLE stock DROP CONSTRAINT ck_stock_never_oversold")


def clear_events_away(layout):
    """Those that were read, as somebody may think who tidies up."""
    as_superuser(layout, ORDER, "DELETE FROM outbox WHERE topic = 'payment-commands'")


def operator_of(layout):
    return prey.ground_of(layout, record.read_running(layout.state)).tools[OPERATOR]


def park(layout):
    """An eighth of all reservations cannot be made for a while."""
    operator_of(layout).park()


def redrive(layout):
    """The reservations that were parked are made after all, where that is still allowed."""
    assert operator_of(layout).redrive(None, REST_SECONDS)


def producer_of(layout, **settings):
    return Producer({"bootstrap.servers": layout.bootstrap_servers, **settings})


def write_past_the_outbox(layout):
    """A record as a service would write it, that no service wrote."""
    producer, (each, *_) = producer_of(layout), bad_records(UNREAD, "order.created.v1")
    producer.produce(each.topic, key=each.key, value=each.value, headers=as_of_order(each))
    assert producer.flush(SENT_SECONDS) == 0


def as_of_order(bad_record):
    return {**bad_record.headers, "ce_source": f"/{ORDER.name}"}


def abort_a_record(layout):
    """One that the order service would read, were it committed."""
    producer = producer_of(layout, **{"transactional.id": "a-rogue"})
    each, *_ = bad_records("stock-reserved", "stock.reserved.v1")
    producer.init_transactions(SENT_SECONDS)
    producer.begin_transaction()
    producer.produce(each.topic, key=each.key, value=each.value, headers=as_of_order(each))
    assert producer.flush(SENT_SECONDS) == 0
    producer.abort_transaction(SENT_SECONDS)


def write_once_more(layout):
    """The last record of a partition, again."""
    consumer = Consumer({"bootstrap.servers": layout.bootstrap_servers, "group.id": "a-rogue"})
    _, end = consumer.get_watermark_offsets(TopicPartition(UNREAD, 0), timeout=SENT_SECONDS)
    consumer.assign([TopicPartition(UNREAD, 0, 0)])
    found = [each for each in consumer.consume(end, 10) if each.error() is None]
    consumer.close()
    producer = producer_of(layout)
    producer.produce(UNREAD, key=found[-1].key(), value=found[-1].value(), headers=found[-1].headers())
    assert producer.flush(SENT_SECONDS) == 0


def delete_records(layout):
    """As a topic that keeps too little does."""
    at_rest(prey.endpoints_of(layout), REST_SECONDS)
    everything = [TopicPartition(UNREAD, number, OFFSET_END) for number in range(PARTITIONS)]
    admin = AdminClient({"bootstrap.servers": layout.bootstrap_servers})
    for deleted in admin.delete_records(everything).values():
        deleted.result(SENT_SECONDS)
