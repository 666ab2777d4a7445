"""Proof that a relay works: one row into the outbox, seen in Kafka as every consumer would see it."""

import uuid
from collections.abc import Sequence

from kafka import TopicPartition
from kafka.errors import KafkaError
from sqlalchemy import Engine, insert

from contracts.services import Service
from contracts.topics import CANARY
from messaging.clients import KafkaConsumer, connected
from messaging.tables import outbox
from runtime.errors import NeverlostError, WaitedTooLong
from runtime.waiting import until

SECONDS_MAX = 60
_PARTITION = TopicPartition(CANARY.name, 0)


class RelayBroken(NeverlostError):  # noqa: N818 - it says what happened
    """A connector says it runs, and yet does not bring an outbox row to Kafka."""


def prove(
    service: Service, engine: Engine, servers: Sequence[str], *, within_seconds: float = SECONDS_MAX
) -> None:
    """Write one canary row as the service would, and wait until it can be read back.

    `engine` is the service's own, with its role and no more. Raises RelayBroken, naming the connector.
    """
    consumer = _consumer_at_end(servers)
    try:
        event = _write(service, engine)
        until(
            lambda: event in _events(consumer),
            within_seconds=within_seconds,
            every_seconds=0,
            what=f"event {event} in topic {CANARY.name}",
            retry_on=(KafkaError,),
        )
    except WaitedTooLong as error:
        raise RelayBroken(
            f"connector {service.connector} does not relay: {error}. See its task's trace"
            " (./run connect status) and the slot in pg_replication_slots."
        ) from error
    finally:
        consumer.close()


def _consumer_at_end(servers: Sequence[str]) -> KafkaConsumer:
    """A reader of the canary topic, without a group, that sees what is committed from now on."""
    consumer = connected(
        KafkaConsumer,
        servers,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        fetch_max_wait_ms=100,
        request_timeout_ms=15_000,
    )
    consumer.assign([_PARTITION])
    consumer.seek_to_end(_PARTITION)
    consumer.position(_PARTITION)  # Settles "the end" now, before the row is written.
    return consumer


def _write(service: Service, engine: Engine) -> uuid.UUID:
    row = insert(outbox).values(
        aggregatetype=service.name,
        aggregateid=str(uuid.uuid4()),
        type="relay.canary.v1",
        payload={},
        topic=CANARY.name,
        sequence=1,
        source=f"/{service.name}",
    )
    with engine.begin() as connection:
        event: uuid.UUID = connection.execute(row.returning(outbox.c.id)).scalar_one()
    return event


def _events(consumer: KafkaConsumer) -> set[uuid.UUID]:
    records = consumer.poll(timeout_ms=500).get(_PARTITION, ())
    return {uuid.UUID(dict(record.headers)["ce_id"].decode()) for record in records}
