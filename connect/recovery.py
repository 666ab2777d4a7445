"""Bring relays back after a loss: stop, make anew what is gone, set the position, go on, prove it.

Safe to repeat at any point. What tells of a loss is destroyed last, after the loss was noted: a recovery
that is interrupted is found again by the next one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kafka.errors import KafkaError
from psycopg.errors import ObjectInUse
from sqlalchemy import URL, Connection
from sqlalchemy.exc import OperationalError

from connect import cluster, progress, register, sql
from connect.client import ConnectClient, ConnectError
from connect.configurations import configuration
from connect.facts import Access, Facts, Relay, gather
from connect.health import STOPPED, Verdict
from connect.losses import POSITION_WRONG, SLOT_GONE, Kind, Loss, Recovery
from connect.plans import RecoveryImpossible, plan, questions
from contracts.services import ORDER, Service
from contracts.topics import OTHER_TOPICS
from messaging.clients import KafkaAdminClient
from messaging.topics import make_topics, patiently, place_groups
from runtime.database import DatabaseLimits, connect_engine
from runtime.errors import WaitedTooLong
from runtime.waiting import until

# A relay whose topic was made anew ends, and is back after some 10 s; a backlog may take longer.
COME_UP_SECONDS_MAX = 60
STOPPED_SECONDS_MAX = 60
# A relay that is frozen, not dead, holds its slot until `wal_sender_timeout`, 10 s.
SLOT_FREE_SECONDS_MAX = 60
# A worker whose topic came back looks for it every 30 s, ends, and is started again some seconds later.
PLACED_SECONDS_MAX = 120
_LIMITS = DatabaseLimits(statement_ms=60_000, idle_in_transaction_ms=0, whole_tables=True)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What a recovery works with: who may make slots, who proves relays, where losses are noted."""

    access: Access
    admin: URL
    services: Mapping[Service, URL]
    by: str
    say: Say
    note: Callable[[Recovery], None]

    @property
    def client(self) -> ConnectClient:
        return self.access.client


def decided(access: Access, wanted: Sequence[Service], say: Say) -> Facts:
    """The facts, once relays that are still coming up tell what they have lost; else as they were at last."""
    known = gather(access)
    if not (told := questions(known, wanted)):
        return known
    say(f"waiting for relays to come up, to tell of {told}")

    def look_again() -> bool:
        nonlocal known
        known = gather(access)
        return not questions(known, wanted)

    with suppress(WaitedTooLong):
        until(
            look_again,
            within_seconds=COME_UP_SECONDS_MAX,
            every_seconds=1,
            what="relays to come up",
            retry_on=(ConnectError,),
        )
    return known


def recover(
    means: Means, agreed: Mapping[Relay, Sequence[Loss]], wanted: Sequence[Service]
) -> list[Recovery]:
    """Do what was agreed to of the relays of these services; answers with what may have been missed.

    Looks once more first, alone: a slot that another recovery has made meanwhile must not go again.
    Raises RecoveryImpossible when another recovery is at work, more is lost than was agreed to, or it cannot
    be told any more.
    """
    with _only_one(means), _kafka(means) as admin:
        planned = _still_planned(means, agreed)
        recoveries = [each for relay in planned for each in _bring_back(means, admin, relay, planned[relay])]
        if made := patiently("topics", lambda: make_topics(admin, OTHER_TOPICS)):
            means.say(f"topics made: {', '.join(made)}")
        register.register(means.client, wanted)
        ours = {service.connector for service in wanted}
        for name, status in means.client.statuses().items():
            if name in ours and status.state == STOPPED:
                means.client.resume(name)
        means.say("placing the groups of workers where they have no position")
        patiently("groups", lambda: place_groups(admin), within_seconds=PLACED_SECONDS_MAX)
        register.wait_until_running(means.client, wanted)
        _prove(means, wanted)
    return recoveries


def _still_planned(means: Means, agreed: Mapping[Relay, Sequence[Loss]]) -> Mapping[Relay, Sequence[Loss]]:
    kinds = {relay.service: {loss.kind for loss in found} for relay, found in agreed.items()}
    # A relay whose topic was made anew ends now and then, and then it cannot be told for a while.
    known = decided(means.access, list(kinds), means.say)
    if told := questions(known, list(kinds)):
        raise RecoveryImpossible(f"meanwhile it cannot be told any more: {told}; ask again")
    planned = plan(known, list(kinds))
    for relay, found in planned.items():
        if more := {loss.kind for loss in found} - kinds[relay.service]:
            raise RecoveryImpossible(f"{relay.service.connector} has meanwhile lost more: {', '.join(more)}")
    return planned


def _bring_back(means: Means, admin: KafkaAdminClient, relay: Relay, found: Sequence[Loss]) -> list[Recovery]:
    client, connector = means.client, relay.service.connector
    kinds = {loss.kind for loss in found}
    noted = [_recovery(means, relay, loss) for loss in found]
    for each in noted:
        means.note(each)
    _halt(means, relay, kinds)
    slot = _slot(means, relay.service, anew=bool(kinds & SLOT_GONE))
    if made := patiently("topics", lambda: make_topics(admin)):
        means.say(f"{connector}: topics made: {', '.join(made)}")
    if kinds & POSITION_WRONG:
        means.say(f"{connector}: position set to {slot.flushed}")
        client.set_offset(connector, {"server": relay.service.name}, _offset(slot.flushed or 0))
    client.resume(connector)
    if relay.status is not None and not relay.status.is_held and not kinds & POSITION_WRONG:
        # Its producer has numbered records of the old topic, which the new one does not know.
        client.restart(connector, only_failed=False)
    return [replace(r, to_lsn=slot.flushed) if r.kind in POSITION_WRONG else r for r in noted]


def _halt(means: Means, relay: Relay, kinds: set[Kind]) -> None:
    """Let the connector stand, so that nothing moves its slot or its position meanwhile."""
    client, connector = means.client, relay.service.connector
    if relay.status is None:
        means.say(f"{connector}: registering it, stopped")
        client.register_stopped(connector, configuration(connector))
    elif kinds & POSITION_WRONG:
        means.say(f"{connector}: stopping it")
        client.stop(connector)
    else:
        return
    until(
        lambda: _stands(client, connector),
        within_seconds=STOPPED_SECONDS_MAX,
        every_seconds=0.2,
        what=f"{connector} to stop",
    )


def _stands(client: ConnectClient, connector: str) -> bool:
    status = client.statuses().get(connector)
    return status is not None and status.stands


def _slot(means: Means, service: Service, *, anew: bool) -> progress.Sight:
    """The service's slot as it is then; made anew where it is beyond use, or Connect was before it."""
    with _autocommit(means.admin.set(database=service.database)) as connection:
        if anew:
            means.say(f"{service.connector}: making slot {service.slot} anew")
            until(
                lambda: _drop(connection, service),
                within_seconds=SLOT_FREE_SECONDS_MAX,
                every_seconds=0.5,
                what=f"slot {service.slot} to be free",
                retry_on=(OperationalError,),
            )
            connection.execute(sql.CREATE_SLOT, {"slot": service.slot})
        return progress.look(connection, service)


def _drop(connection: Connection, service: Service) -> bool:
    try:
        connection.execute(sql.DROP_SLOT, {"slot": service.slot})
    except OperationalError as error:
        if isinstance(error.orig, ObjectInUse):
            return False  # Its relay is still on its way out.
        raise
    return True


def _offset(position: int) -> dict[str, int]:
    """A position as Debezium stores one: everything up to it was relayed."""
    return {"lsn": position, "lsn_proc": position, "lsn_commit": position}


def _recovery(means: Means, relay: Relay, loss: Loss) -> Recovery:
    return Recovery(
        kind=loss.kind,
        service=relay.service.name,
        topics=loss.topics,
        at=datetime.now(UTC),
        by=means.by,
        reason=loss.what,
        from_lsn=relay.stored if loss.kind in POSITION_WRONG else None,
    )


def _prove(means: Means, wanted: Sequence[Service]) -> None:
    """A canary through each of their relays that runs."""
    found = means.client.statuses()
    runs = {name for name, status in found.items() if status.verdict is Verdict.HEALTHY}
    running = {s: url for s, url in means.services.items() if s in wanted and s.connector in runs}
    register.prove(running, means.access.servers)
    means.say(f"a canary came through {', '.join(service.connector for service in running)}")


@contextmanager
def _only_one(means: Means) -> Iterator[None]:
    """One recovery at a time: the lock ends with the session, however that ends."""
    with _autocommit(means.admin.set(database=ORDER.database)) as connection:
        if not connection.execute(sql.TRY_TO_RECOVER).scalar_one():
            raise RecoveryImpossible("another recovery is at work")
        yield


@contextmanager
def _autocommit(url: URL) -> Iterator[Connection]:
    """A slot cannot be made in a transaction that has written, so each statement is its own."""
    engine = connect_engine(url, process="recovery", connections=1, limits=_LIMITS)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _kafka(means: Means) -> Iterator[KafkaAdminClient]:
    admin = until(
        lambda: cluster.connect(means.access.servers),
        within_seconds=30,
        what="Kafka",
        retry_on=(KafkaError,),
    )
    try:
        yield admin
    finally:
        admin.close()
