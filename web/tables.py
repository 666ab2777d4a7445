"""The tables of a service whose writes may be repeated and limited; its own history makes them."""

from sqlalchemy import JSON, CheckConstraint, Column, Index, Integer, LargeBinary, MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import TIMESTAMP


def add_intake_tables(metadata: MetaData) -> None:
    """Add both tables to a service's metadata."""
    Table(
        "idempotency_keys",
        metadata,
        Column("caller", Text, primary_key=True),
        Column("route", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", Integer),
        # json, not jsonb: a replay is the answer as it was, field by field in its order.
        Column("headers", JSON),
        Column("body", JSON),
        _moment("created_at", server_default=func.clock_timestamp()),
        _moment("expires_at"),
        CheckConstraint("octet_length(key) BETWEEN 1 AND 255", name="key_bounded"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint_sha256"),
        CheckConstraint("num_nulls(status, headers, body) IN (0, 3)", name="answer_whole"),
        CheckConstraint("status BETWEEN 200 AND 299", name="errors_not_kept"),
        Index("ix_idempotency_keys_expires_at", "expires_at"),
    )
    Table(
        "rate_limits",
        metadata,
        Column("client", Text, primary_key=True),
        _moment("theoretical_arrival"),
        prefixes=["UNLOGGED"],
    )


def _moment(name: str, **options: object) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=False, **options)  # type: ignore[arg-type]
