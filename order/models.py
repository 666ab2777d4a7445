"""The order service's tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from messaging.tables import metadata as mechanism
from order.status import Status
from runtime.database import COLUMN_TYPES, NAMES, one_of
from saga.tables import orchestrator
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
    """An order. Where it is on its way stands in its saga, which has the same id.

    `payment_token` is forgotten once the payment service has answered.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(one_of("status", Status), name="status_known"),
        CheckConstraint("payment_token IS NULL OR status = 'PENDING'", name="token_forgotten"),
        CheckConstraint("total_amount >= 0", name="total_not_negative"),
        CheckConstraint("jsonb_array_length(items) BETWEEN 1 AND 50", name="items_bounded"),
        Index("ix_orders_status_id", "status", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    status: Mapped[str]
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    total_amount: Mapped[int]
    currency: Mapped[str]
    payment_token: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


add_intake_tables(Base.metadata)

METADATA = (Base.metadata, orchestrator, mechanism)
