"""The delivery service's tables."""

from sqlalchemy import Column, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import TIMESTAMP

from messaging.tables import metadata as mechanism
from runtime.database import NAMES

metadata = MetaData(naming_convention=NAMES)

deliveries = Table(
    "deliveries",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("due_at", TIMESTAMP(timezone=True), nullable=False),
)

METADATA = (metadata, mechanism)
