"""The tables of the mechanism, the same in every service's database.

The migrations make them (with partitions, grants and checks); a test holds the two together.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Computed,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from runtime.database import NAMES, THIS_TRANSACTION

metadata = MetaData(naming_convention=NAMES)

_NOW = func.clock_timestamp()


def _event_columns() -> tuple[Column[object], ...]:
    """What the relay reads. Column names are those of Debezium's event router where it has one."""
    return (
        Column("aggregatetype", Text, nullable=False),
        Column("aggregateid", Text, nullable=False),
        Column("type", Text, nullable=False),
        # json, not jsonb: the bytes in the topic are the bytes written here.
        Column("payload", JSON, nullable=False),
        Column("topic", Text, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("saga_id", Text),
        Column("traceparent", Text),
        Column("created_at", TIMESTAMP(timezone=True, precision=6), nullable=False, server_default=_NOW),
    )


outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.uuidv7()),
    *_event_columns(),
    Column("xact", BigInteger, nullable=False, server_default=THIS_TRANSACTION),
    Index("ix_outbox_xact", "xact"),
    postgresql_partition_by="RANGE (id)",
)

# How a repair sends an event again under its own id.
outbox_replay = Table(
    "outbox_replay",
    metadata,
    Column("replay_id", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Uuid, nullable=False),
    *_event_columns(),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("consumer", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("received_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
    postgresql_partition_by="RANGE (event_id)",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("event_id", Uuid),
    Column("type", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("parked_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
    Column("settled_at", TIMESTAMP(timezone=True)),
    Column("outcome", Text),
    Column("settled_by", Text),
    Column("note", Text),
    Column("digest", LargeBinary, Computed("sha256(value)", persisted=True), nullable=False),
    Index("ix_dead_letters_waiting", "consumer", "key", "id", postgresql_where="settled_at IS NULL"),
    Index("ix_dead_letters_discarded", "key", postgresql_where="outcome = 'discarded'"),
)
Index(
    "uq_dead_letters_event",
    dead_letters.c.consumer,
    dead_letters.c.event_id,
    unique=True,
    postgresql_where="state <> 'stray'",
)
# A stray has no id to know it by. Its place alone would not do: a topic made anew counts from 0 again.
Index(
    "uq_dead_letters_stray",
    dead_letters.c.consumer,
    dead_letters.c.topic,
    dead_letters.c.partition,
    dead_letters.c.offset,
    dead_letters.c.digest,
    unique=True,
    postgresql_where="state = 'stray'",
)

# How many messages each aggregate has told, by the key they have: the last sequence number.
sequences = Table(
    "sequences",
    metadata,
    Column("aggregate_id", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

key_holds = Table(
    "key_holds",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("held_since", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
)

dbz_heartbeat = Table(
    "dbz_heartbeat",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ts", TIMESTAMP(timezone=True), nullable=False),
)
