"""The payment service's tables."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, MetaData, UniqueConstraint, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from messaging.tables import metadata as mechanism
from runtime.database import COLUMN_TYPES, NAMES, THIS_TRANSACTION, one_of
from saga import tables


class Status(StrEnum):
    """What became of an order's payment. UNKNOWN: the gateway did not say; it is being asked."""

    REQUESTED = "REQUESTED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    UNKNOWN = "UNKNOWN"
    REFUNDED = "REFUNDED"


class Operation(StrEnum):
    """What the gateway is asked to do."""

    CHARGE = "charge"
    REFUND = "refund"


class IntentState(StrEnum):
    """REQUESTED until the gateway's answer is stored, or until it is given up before it was ever tried."""

    REQUESTED = "REQUESTED"
    SETTLED = "SETTLED"
    WITHDRAWN = "WITHDRAWN"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = COLUMN_TYPES


class Payment(Base):
    """An order's money, in minor units. `reason` says why the last try was declined or refused."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(one_of("status", Status), name="status_known"),
        CheckConstraint("captured IN (0, amount)", name="captured_all_or_nothing"),
        CheckConstraint("refunded IN (0, captured)", name="refunded_all_or_nothing"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    order_id: Mapped[UUID] = mapped_column(unique=True)
    status: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]
    captured: Mapped[int] = mapped_column(server_default="0")
    refunded: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class PaymentIntent(Base):
    """A call to the gateway that must be made: written first, made after, its result stored last.

    Whoever holds the lease makes the call; a lease that ran out is anybody's. The intent's id is the
    gateway's idempotency key, and each epoch, a new try, has an intent of its own. `traceparent` names the
    span of the command that asks for it.
    """

    __tablename__ = "payment_intents"
    __table_args__ = (
        CheckConstraint(one_of("operation", Operation), name="operation_known"),
        CheckConstraint(one_of("state", IntentState), name="state_known"),
        CheckConstraint("(settled_at IS NULL) = (state = 'REQUESTED')", name="settled_time"),
        CheckConstraint("state <> 'WITHDRAWN' OR attempts = 0", name="withdrawn_untried"),
        CheckConstraint("epoch > 0", name="epoch_positive"),
        UniqueConstraint("order_id", "operation", "epoch"),
        Index("ix_payment_intents_due", "due_at", postgresql_where="state = 'REQUESTED'"),
        Index(
            "uq_payment_intents_open",
            "order_id",
            "operation",
            unique=True,
            postgresql_where="state = 'REQUESTED'",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    order_id: Mapped[UUID] = mapped_column(ForeignKey("payments.order_id"))
    operation: Mapped[str]
    epoch: Mapped[int]
    state: Mapped[str]
    payment_token: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    leased_by: Mapped[str | None]
    traceparent: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    settled_at: Mapped[datetime | None]


class LedgerEntry(Base):
    """Money that moved, never changed. Captures count up, refunds down."""

    __tablename__ = "payment_ledger"
    __table_args__ = (
        CheckConstraint(one_of("operation", Operation), name="operation_known"),
        CheckConstraint("(amount > 0) = (operation = 'charge')", name="amount_signed"),
        UniqueConstraint("order_id", "operation"),
        Index("ix_payment_ledger_xact", "xact"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    order_id: Mapped[UUID]
    operation: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]
    gateway_reference: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    xact: Mapped[int] = mapped_column(server_default=THIS_TRANSACTION)


class WebhookDelivery(Base):
    """A webhook that was taken, by the id its sender gave it: whoever sends it again changes nothing."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_received_at", "received_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


METADATA = (Base.metadata, tables.participant, mechanism)
