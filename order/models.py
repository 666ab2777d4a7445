"""The order service's tables and the states of an order."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from order.saga import Awaited, Status
from runtime.database import COLUMN_TYPES, NAMES, one_of
from web.tables import add_intake_tables


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = COLUMN_TYPES


class Product(Base):
    """The catalogue: what can be ordered, and at which price (minor units)."""

    __tablename__ = "products"
    __table_args__ = (CheckConstraint("unit_price >= 0", name="price_not_negative"),)

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    unit_price: Mapped[int]
    currency: Mapped[str]


class Order(Base):
    """An order. `sequence` counts what the order has told through the outbox."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(one_of("status", Status), name="status_known"),
        CheckConstraint(one_of("awaits", Awaited), name="awaits_known"),
        CheckConstraint(
            "(awaits IS NULL) = (status IN ('COMPLETED', 'FAILED', 'OUT_OF_STOCK', 'CANCELLED'))",
            name="final_awaits_nothing",
        ),
        CheckConstraint("total_amount >= 0", name="total_not_negative"),
        CheckConstraint("jsonb_array_length(items) BETWEEN 1 AND 50", name="items_bounded"),
        Index("ix_orders_status_id", "status", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    status: Mapped[str]
    awaits: Mapped[str | None]
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    total_amount: Mapped[int]
    currency: Mapped[str]
    sequence: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


add_intake_tables(Base.metadata)
