"""What is known of the relays, gathered from Connect, Kafka and the databases. Reads only."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from kafka.errors import KafkaError, UnknownTopicOrPartitionError
from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from connect import cluster, progress, sql
from connect.client import ConnectClient
from connect.cluster import Cluster
from connect.health import ConnectorStatus
from connect.offsets import stored_offset
from connect.progress import Sight
from contracts.services import SERVICES, Service
from runtime.database import connect_engine
from runtime.errors import WaitedTooLong
from runtime.waiting import until

# An idle relay confirms its heartbeat within two beats; one that did not move in four is not moving.
WATCH_SECONDS = 4 * progress.BEAT_SECONDS
KAFKA_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Access:
    """The ways in: Connect, Kafka, and each database as somebody who may look."""

    client: ConnectClient
    servers: Sequence[str]
    databases: Mapping[Service, URL]


@dataclass(frozen=True, slots=True, eq=False)  # one of a kind, and so a key of mappings
class Relay:
    """One relay: what each part says of it. `sight` is None where the database does not answer."""

    service: Service
    status: ConnectorStatus | None = None
    config: Mapping[str, str] | None = None
    sight: Sight | None = None
    stored: int | None = None  # the position that Connect has kept, in bytes of WAL
    is_stored_known: bool = True  # not where Kafka did not tell it, or may have a newer one
    moves: bool | None = None  # None: nobody watched
    tables: frozenset[str] = frozenset()
    # Of the newest million outbox rows, by topic, but for those of half a minute.
    rows: Mapping[str, int] = field(default_factory=dict)
    keep_bytes: int = -1


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that findings and recoveries are decided from. `cluster` is None where Kafka is away."""

    workers: Mapping[str, Mapping[str, str] | None]
    relays: tuple[Relay, ...]
    cluster: Cluster | None
    # The classes of connectors that the workers can run.
    plugins: frozenset[str] = frozenset()

    @property
    def has_worker(self) -> bool:
        """Whether Connect could be asked: without a worker nothing is known of connectors."""
        return any(self.workers.values())


def gather(access: Access, *, watch: bool = False) -> Facts:
    """Ask everybody once; with `watch`, look on for some seconds whether each relay moves."""
    workers = access.client.workers()
    known = [_known(access, service, asked=any(workers.values())) for service in SERVICES]
    with ThreadPoolExecutor(max_workers=len(known)) as pool:
        relays = tuple(pool.map(lambda relay: _seen(access, relay, watch=watch), known))
    plugins = frozenset(access.client.plugins()) if any(workers.values()) else frozenset()
    return Facts(workers, relays, _cluster(access.servers), plugins)


def _known(access: Access, service: Service, *, asked: bool) -> Relay:
    """What Connect knows of a relay; nothing, where no worker answers."""
    if not asked:
        return Relay(service)
    statuses, config = access.client.statuses(), access.client.config(service.connector)
    return Relay(service, statuses.get(service.connector), config)


def _seen(access: Access, relay: Relay, *, watch: bool) -> Relay:
    """The same relay, with what its database and Kafka say."""
    try:
        with _database(access.databases[relay.service]) as engine:
            moves = _moves(engine, relay.service) if watch else None
            return replace(_compared(engine, access, relay), moves=moves)
    except SQLAlchemyError:
        return replace(relay, **_stored(access, relay.service))


def _compared(engine: Engine, access: Access, relay: Relay) -> Relay:
    """The slot moves on while Connect's position is read: it is looked at before and after.

    No transaction is open meanwhile: Kafka may take its time, and a database gives up one that is idle.
    """
    with engine.connect() as connection:
        before = progress.look(connection, relay.service)
    stored = _stored(access, relay.service)
    with engine.connect() as connection:
        after = progress.look(connection, relay.service)
        published = connection.execute(sql.PUBLISHED_TABLES, {"publication": relay.service.publication})
        return replace(
            relay,
            **stored,
            sight=replace(after, restart=before.restart),
            tables=frozenset(published.scalars()),
            rows={row.topic: row.number for row in connection.execute(sql.ROWS_BY_TOPIC)},
            keep_bytes=connection.execute(sql.KEEP_BYTES).scalar_one(),
        )


def _moves(engine: Engine, service: Service) -> bool:
    """Whether the slot's confirmed position changes while we look on."""

    def flushed() -> int | None:
        with engine.connect() as connection:
            return progress.look(connection, service).flushed

    first = flushed()
    try:
        until(
            lambda: flushed() != first,
            within_seconds=WATCH_SECONDS,
            every_seconds=0.2,
            what=f"slot {service.slot} to move",
        )
    except WaitedTooLong:
        return False
    return True


def _stored(access: Access, service: Service) -> dict[str, Any]:
    """Where Connect would go on.

    From Kafka itself: Connect does not answer while a producer whose topic is gone keeps a transaction open.
    """
    try:
        found = stored_offset(service, access.servers)
    except UnknownTopicOrPartitionError:
        return {"stored": None}  # The topic that tells it is gone, and with it the position.
    except (KafkaError, WaitedTooLong):
        return {"stored": None, "is_stored_known": False}
    position = None if found.offset is None else int(found.offset.get("lsn") or 0)
    return {"stored": position, "is_stored_known": found.is_newest}


def _cluster(servers: Sequence[str]) -> Cluster | None:
    """None where Kafka is away; a topic that comes or goes is looked at once more."""
    try:
        return until(
            lambda: _look(servers),
            within_seconds=KAFKA_SECONDS_MAX,
            every_seconds=0.5,
            what="Kafka",
            retry_on=(KafkaError,),
        )
    except WaitedTooLong:
        return None


def _look(servers: Sequence[str]) -> Cluster:
    admin = cluster.connect(servers)
    try:
        return cluster.look(admin)
    finally:
        admin.close()


@contextmanager
def _database(url: URL) -> Iterator[Engine]:
    engine = connect_engine(url, process="doctor", connections=1)
    try:
        yield engine
    finally:
        engine.dispose()
