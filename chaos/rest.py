"""When a system has come to rest: no saga is under way, and whoever must see an event has seen it.

What is not there when the time is over is answered, not raised: that is a failure of the system, and a
finding of the run.
"""

import threading
import time
from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaException
from sqlalchemy.exc import OperationalError

from chaos import queries
from chaos.collect import TOPICS, connected
from chaos.evidence import Endpoints
from chaos.topic_reader import TopicReader
from contracts.services import ORDER, SERVICES
from contracts.topics import MESSAGE_TOPICS, read_by
from runtime.errors import WaitedTooLong

LOOK_EVERY_SECONDS = 0.5
NAMED_MAX = 5
# Nobody's inbox tells whether these were brought to Kafka.
_UNREAD = [topic for topic in TOPICS if topic not in {t.name for t in MESSAGE_TOPICS if t.readers}]


def at_rest(endpoints: Endpoints, within_seconds: float) -> list[str]:
    """Wait until nothing is open any more; what still is when the time is over, in words."""
    give_up, pause = time.monotonic() + within_seconds, threading.Event()
    relayed: set[str] = set()
    with TopicReader(endpoints.bootstrap_servers, _UNREAD) as reader:
        while True:
            found = _look(endpoints, reader, relayed)
            if not found or time.monotonic() > give_up:
                return found
            pause.wait(LOOK_EVERY_SECONDS)


def _look(endpoints: Endpoints, reader: TopicReader, relayed: set[str]) -> list[str]:
    """What is open now. What cannot be asked counts as open."""
    try:
        return _open_sagas(endpoints) or _unseen(endpoints) or _not_relayed(endpoints, reader, relayed)
    except (OperationalError, KafkaException, WaitedTooLong) as error:
        return [f"it cannot be told: {next(iter(str(error).splitlines()), type(error).__name__)}"]


def _open_sagas(endpoints: Endpoints) -> list[str]:
    with connected(endpoints, ORDER.name) as connection:
        return _named("sagas under way", connection.scalars(queries.OPEN_SAGAS).all())


def _unseen(endpoints: Endpoints) -> list[str]:
    """By reader, the events written for it that its inbox does not have; what is parked stands there too."""
    found: list[str] = []
    for reader in SERVICES:
        with connected(endpoints, reader.name) as connection:
            received = set(connection.scalars(queries.INBOX_IDS, {"consumer": reader.name}))
        missing = _written(endpoints, read_by(reader.name)) - received
        found += _named(f"events that {reader.name} has not received", missing)
    return found


def _not_relayed(endpoints: Endpoints, reader: TopicReader, relayed: set[str]) -> list[str]:
    relayed |= {record.id for record in reader.to_the_end(30)}
    return _named("events that are not in Kafka", _written(endpoints, _UNREAD) - relayed)


def _written(endpoints: Endpoints, topics: Sequence[str]) -> set[str]:
    written: set[str] = set()
    for service in SERVICES:
        with connected(endpoints, service.name) as connection:
            written.update(connection.scalars(queries.OUTBOX_IDS, {"topics": list(topics)}))
    return written


def _named(what: str, ids: Iterable[str]) -> list[str]:
    found = sorted(ids)
    more = ", …" if len(found) > NAMED_MAX else ""
    return [f"{what}: {len(found)} ({', '.join(found[:NAMED_MAX])}{more})"] if found else []
