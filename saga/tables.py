"""The tables of the sagas: the participants' fences, and what the orchestrator keeps.

The migrations make them; a test holds the two together.
"""

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from runtime.database import NAMES

participant = MetaData(naming_convention=NAMES)
orchestrator = MetaData(naming_convention=NAMES)

_NOW = func.clock_timestamp()

fences = Table(
    "fences",
    participant,
    Column("saga_id", Uuid, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default="none"),
    Column("epoch", BigInteger, nullable=False, server_default="0"),
    Column("reply_type", Text),
    Column("reply", JSON),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
)

# One row a saga. `due_at` is the earliest time at which the clock has something to say to it.
sagas = Table(
    "sagas",
    orchestrator,
    Column("id", Uuid, primary_key=True),
    Column("definition", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("awaits", ARRAY(Text), nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("cause", JSONB),
    Column("due_at", TIMESTAMP(timezone=True)),
    Column("revision", BigInteger, nullable=False, server_default="1"),
    # Of the span that it began in: what the clock brings about goes on in that trace.
    Column("traceparent", Text),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
    Index("ix_sagas_due", "due_at", postgresql_where="due_at IS NOT NULL"),
    Index(
        "ix_sagas_live",
        "status",
        "id",
        postgresql_where="status NOT IN ('COMPLETED', 'COMPENSATED')",
    ),
)

# What happened to each saga, in order; never changed.
saga_log = Table(
    "saga_log",
    orchestrator,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("saga_id", Uuid, nullable=False),
    Column("at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", Text),
    Column("operation", Text),
    Column("epoch", BigInteger),
    Column("message_type", Text),
    Column("event_id", Uuid),
    Column("actor", Text),
    Column("note", Text),
    Index("ix_saga_log_saga_id", "saga_id", "id"),
)

# When a beat of each relay last came through Kafka to us, and since when none was late.
relay_heartbeats = Table(
    "relay_heartbeats",
    orchestrator,
    Column("relay", Text, primary_key=True),
    Column("seen_at", TIMESTAMP(timezone=True), nullable=False),
    Column("steady_since", TIMESTAMP(timezone=True), nullable=False),
)

# How many sagas the clock has moved in a minute: a wrong clock or a dead participant makes no storm.
saga_expiries = Table(
    "saga_expiries",
    orchestrator,
    Column("minute", TIMESTAMP(timezone=True), primary_key=True),
    Column("moved", BigInteger, nullable=False),
)
