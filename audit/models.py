"""The auditor's own tables: how far it has read, what it waits for, and what it found wrong.

One row stays for every record of every topic for as long as topics keep them; whatever is only awaited
goes when it was seen, so that a round's cost follows what is new.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Index, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.database import COLUMN_TYPES, NAMES, one_of


class Kind(StrEnum):
    """What a finding says. A recovery may explain all but what is phantom or altered."""

    PHANTOM = "phantom"
    REPEATED = "repeated"
    REORDERED = "reordered"
    ALTERED = "altered"
    SET_BACK = "set-back"
    TOPIC_MADE_ANEW = "topic-made-anew"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = COLUMN_TYPES


class Source(Base):
    """How far a service's tables were read: every row of a transaction below the mark, and no other.

    `identity` tells the database that was read from another in its place.
    """

    __tablename__ = "sources"

    service: Mapped[str] = mapped_column(primary_key=True)
    outbox_mark: Mapped[int] = mapped_column(server_default="0")
    ledger_mark: Mapped[int] = mapped_column(server_default="0")
    identity: Mapped[str | None]


class Position(Base):
    """Where to go on reading a partition. `topic_id` is Kafka's own: a topic made anew has another."""

    __tablename__ = "positions"

    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    topic_id: Mapped[str]
    next_offset: Mapped[int]


class Record(Base):
    """A committed record of a message topic. `sequence` counts the messages of `key` by their source."""

    __tablename__ = "records"
    __table_args__ = (Index("ix_records_key", "key", "topic"),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    sequence: Mapped[int]
    source: Mapped[str]
    digest: Mapped[bytes]
    appended_at: Mapped[datetime]


class Awaited(Base):
    """An outbox row that is not in its topic yet.

    Lost is what is absent from a topic that was read to its end after the slot had passed `noted_lsn`,
    which is at or behind the row's commit.
    """

    __tablename__ = "awaited"
    __table_args__ = (Index("ix_awaited_key", "key"),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    service: Mapped[str]
    topic: Mapped[str]
    key: Mapped[str]
    sequence: Mapped[int]
    digest: Mapped[bytes]
    noted_lsn: Mapped[int]
    noted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    lost_at: Mapped[datetime | None]


class Unread(Base):
    """A record that a consumer must see and has not. Skipped: its group has passed it all the same."""

    __tablename__ = "unread"
    __table_args__ = (Index("ix_unread_key", "key"),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    consumer: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str]
    partition: Mapped[int]
    offset: Mapped[int]
    key: Mapped[str]
    noted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    skipped_at: Mapped[datetime | None]


class Unclaimed(Base):
    """A record whose outbox row was not read yet; a phantom, when its source has no such row."""

    __tablename__ = "unclaimed"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    partition: Mapped[int]
    offset: Mapped[int]
    source: Mapped[str]
    noted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Gap(Base):
    """A key of a service whose numbers in the topics are not 1, 2, 3 …, as far as kept, since when."""

    __tablename__ = "gaps"

    source: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    noted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Unsettled(Base):
    """An order whose money and stock were not found to agree yet, since when they were seen not to."""

    __tablename__ = "unsettled"
    __table_args__ = (
        Index("ix_unsettled_looked_at", text("looked_at NULLS FIRST"), postgresql_where="final"),
    )

    order_id: Mapped[str] = mapped_column(primary_key=True)
    final: Mapped[bool]
    looked_at: Mapped[datetime | None]
    suspect_since: Mapped[datetime | None]
    problem: Mapped[str | None]


class Day(Base):
    """How many events with an id of this day (UTC) a service wrote, as far as they were read."""

    __tablename__ = "days"

    service: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    written: Mapped[int]


class StockSum(Base):
    """The stock ledger's sum of a sku, up to the source's ledger mark."""

    __tablename__ = "stock_sums"

    sku: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int]
    sold: Mapped[int]


class Finding(Base):
    """Something that was seen to be wrong, once for each subject. Explained: a recovery accounts for it."""

    __tablename__ = "findings"
    __table_args__ = (
        CheckConstraint(one_of("kind", Kind), name="kind_known"),
        Index("ix_findings_open", "kind", postgresql_where="explained_by IS NULL"),
        Index("ix_findings_explained_by", "explained_by", postgresql_where="explained_by IS NOT NULL"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    found_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    explained_by: Mapped[int | None]


class Recovery(Base):
    """What people did to a relay or a topic, which is why events may be found twice."""

    __tablename__ = "recoveries"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    services: Mapped[list[str]] = mapped_column(ARRAY(Text))
    topics: Mapped[list[str]] = mapped_column(ARRAY(Text))
    done_by: Mapped[str]
    reason: Mapped[str]
    done_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Action(Base):
    """What somebody did through the dashboard: written before it is done, completed after.

    Without an `outcome` it has not ended, or its end is not known. Nothing else of it can be changed.
    """

    __tablename__ = "actions"
    __table_args__ = (CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="ended_with_outcome"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    began_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    note: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    result: Mapped[str | None]


class Report(Base):
    """The verdict of the newest round: one row."""

    __tablename__ = "report"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)


METADATA = (Base.metadata,)
