"""The tables of the sagas: the participants' fences, and what the orchestrator keeps.

The migrations make them; a test holds the two together.
"""

from sqlalchemy import JSON, BigInteger, Column, MetaData, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import TIMESTAMP

from runtime.database import NAMES

participant = MetaData(naming_convention=NAMES)

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
