"""Make the replication slots that are missing: `python -m connect.slots`. Safe to repeat.

A slot holds back the WAL from the moment it is made, so it must be there before the first outbox row.
"""

from collections.abc import Sequence

import structlog
from kafka.errors import KafkaError
from psycopg.errors import DuplicateObject
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import ProgrammingError

from connect import sql
from connect.offsets import stored_offset
from contracts.services import SERVICES, Service
from runtime.database import DatabaseLimits, connect_engine, database_url
from runtime.environment import Environment
from runtime.errors import NeverlostError
from runtime.logs import configure
from runtime.waiting import until

KAFKA_SECONDS_MAX = 120
# A new slot waits for every transaction that is open when it is made.
_LIMITS = DatabaseLimits(statement_ms=60_000)

_FIND_SLOT = text("SELECT wal_status FROM pg_replication_slots WHERE slot_name = :slot")

log = structlog.get_logger(__name__)


class SlotLost(NeverlostError):  # noqa: N818 - it says what happened
    """A relay cannot go on where it was: rows may never have reached Kafka."""


def main() -> None:
    environment = Environment()
    admin = database_url(environment, "ADMIN_DATABASE_URL")
    servers = environment.servers("KAFKA_BOOTSTRAP_SERVERS")
    environment.check()
    configure("slots")
    for service in SERVICES:
        made = ensure_slot(service, admin.set(database=service.database), servers)
        log.info("slot is there", slot=service.slot, made=made)


def ensure_slot(service: Service, url: URL, servers: Sequence[str]) -> bool:
    """Make the service's slot unless it is there; answers whether it was made.

    Raises SlotLost when the slot is beyond use, or is missing although its connector has been running:
    a new slot starts now, and would pass over everything written since the old one was lost.
    """
    engine = connect_engine(url, process="slots", connections=1, limits=_LIMITS)
    try:
        # A slot cannot be made in a transaction that has written, so each statement is its own.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if _exists(connection, service):
                return False
            _refuse_if_relayed(service, servers)
            return _create(connection, service)
    finally:
        engine.dispose()


def _exists(connection: Connection, service: Service) -> bool:
    found = connection.execute(_FIND_SLOT, {"slot": service.slot}).scalar_one_or_none()
    if found == "lost":
        raise SlotLost(f"slot {service.slot} has lost WAL that {service.connector} still needs. {_REMEDY}")
    return found is not None


def _refuse_if_relayed(service: Service, servers: Sequence[str]) -> None:
    """Only asked for a missing slot: an ordinary start does not wait for Kafka."""
    offset = until(
        lambda: (stored_offset(service, servers).offset,),
        within_seconds=KAFKA_SECONDS_MAX,
        every_seconds=0.5,
        what="Kafka, to learn whether the connector has run before",
        retry_on=(KafkaError,),
    )[0]
    if offset is not None:
        raise SlotLost(
            f"slot {service.slot} is missing, but {service.connector} has relayed up to"
            f" LSN {offset.get('lsn')}. {_REMEDY}"
        )


_REMEDY = (
    "A new slot would pass over the rows written since: ./run connect recover makes it, and sees to those."
)


def _create(connection: Connection, service: Service) -> bool:
    try:
        connection.execute(sql.CREATE_SLOT, {"slot": service.slot})
    except ProgrammingError as error:
        if isinstance(error.orig, DuplicateObject):
            return False  # Another run made it in between.
        raise
    return True


if __name__ == "__main__":
    main()
