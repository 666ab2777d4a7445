"""The inventory service's tables."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Identity, Index, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from messaging.tables import metadata as mechanism
from runtime.database import COLUMN_TYPES, NAMES, THIS_TRANSACTION, one_of
from saga import tables


class Reservation(StrEnum):
    """What became of an order's stock. Whether a command comes late or again is the fence's business."""

    RESERVED = "RESERVED"
    REJECTED = "REJECTED"
    RELEASED = "RELEASED"
    SOLD = "SOLD"


class Movement(StrEnum):
    """Why stock moved."""

    RESERVE = "reserve"
    RELEASE = "release"
    SELL = "sell"
    RESTOCK = "restock"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = COLUMN_TYPES


class Stock(Base):
    """Units of one sku: free to sell, promised to orders, gone. `on_hand` excludes `reserved`."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("on_hand >= 0", name="never_oversold"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("sold >= 0", name="sold_not_negative"),
    )

    sku: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int] = mapped_column(server_default="0")
    sold: Mapped[int] = mapped_column(server_default="0")


class OrderReservation(Base):
    """One order's stock. The index is for the alarm: what is reserved, by how long it has been."""

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint(one_of("status", Reservation), name="status_known"),
        Index("ix_reservations_reserved", "updated_at", postgresql_where="status = 'RESERVED'"),
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class StockMovement(Base):
    """The ledger: every change of stock, never changed itself. Its sums are the stock table."""

    __tablename__ = "stock_ledger"
    __table_args__ = (
        CheckConstraint(one_of("movement", Movement), name="movement_known"),
        CheckConstraint("(order_id IS NULL) = (movement = 'restock')", name="order_named"),
        Index("ix_stock_ledger_order_id", "order_id"),
        Index("ix_stock_ledger_xact", "xact"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    order_id: Mapped[UUID | None]
    sku: Mapped[str]
    movement: Mapped[str]
    on_hand: Mapped[int]
    reserved: Mapped[int]
    sold: Mapped[int]
    moved_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    xact: Mapped[int] = mapped_column(server_default=THIS_TRANSACTION)


METADATA = (Base.metadata, tables.participant, mechanism)
