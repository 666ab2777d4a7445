"""What the simulated gateway remembers: its SQLite file survives a kill of the process."""

import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
)

_metadata = MetaData()

# What was done, or declined, under each idempotency key.
_operations = Table(
    "operations",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("operation", String, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("currency", String, nullable=False),
    Column("charge", String),
    Column("declined", String),
)

# What was asked for, done or not: the first token of each key that a charge came with.
_calls = Table(
    "calls",
    _metadata,
    Column("key", String, primary_key=True),
    Column("token", String, nullable=False),
)


class Ledger:
    """The gateway's memory. One process owns the file, and one lock makes each entry whole."""

    def __init__(self, path: str) -> None:
        self._engine = _open(path)
        self._lock = threading.Lock()

    def first_call(self, key: str, token: str) -> bool:
        """Whether no charge came under the key before; from now on one has."""
        with self._lock, self._engine.begin() as connection:
            if connection.execute(select(_calls).where(_calls.c.key == key)).first():
                return False
            connection.execute(insert(_calls).values(key=key, token=token))
            return True

    def token_of(self, key: str) -> str | None:
        """The token that the key's first charge came with."""
        with self._engine.connect() as connection:
            return connection.execute(select(_calls.c.token).where(_calls.c.key == key)).scalar()

    def keep_charge(
        self, key: str, amount: int, currency: str, declined: str | None
    ) -> tuple[dict[str, Any], bool]:
        """(the entry under the key, whether it is new): whoever comes second gets the first one's."""
        values = {"amount": amount, "currency": currency, "declined": declined}
        with self._lock, self._engine.begin() as connection:
            return _keep(connection, key, {"operation": "charge", **values})

    def keep_refund(
        self, key: str, amount: int, currency: str, charge: str, declined: str | None
    ) -> tuple[dict[str, Any], bool]:
        """The same for a refund, which is declined where the charge does not hold so much any more."""
        values = {"amount": amount, "currency": currency, "charge": charge}
        with self._lock, self._engine.begin() as connection:
            declined = declined or _lacking(connection, charge, amount, currency)
            return _keep(connection, key, {"operation": "refund", "declined": declined, **values})

    def find(self, key: str) -> dict[str, Any] | None:
        with self._engine.connect() as connection:
            return _find(connection, key)

    def entries(self, after: int, limit: int) -> Sequence[dict[str, Any]]:
        """Every operation whose number comes after, in their order."""
        wanted = select(_operations).where(_operations.c.number > after)
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(_operations.c.number).limit(limit))
            return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def close(self) -> None:
        self._engine.dispose()


def _open(path: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    _metadata.create_all(engine)
    return engine


def _keep(connection: Connection, key: str, values: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    if known := _find(connection, key):
        return known, False
    connection.execute(insert(_operations).values(key=key, **values))
    entry = _find(connection, key)
    assert entry is not None  # noqa: S101 - it was written a line before
    return entry, True


def _find(connection: Connection, key: str) -> dict[str, Any] | None:
    row = connection.execute(select(_operations).where(_operations.c.key == key)).first()
    return {"reference": f"op_{row.number}", "declined": row.declined} if row else None


def _lacking(connection: Connection, charge: str, amount: int, currency: str) -> str | None:
    """Why so much cannot go back from a charge, or None."""
    good = _operations.c.declined.is_(None)
    held = connection.execute(
        select(_operations.c.amount).where(
            _operations.c.key == charge,
            _operations.c.operation == "charge",
            _operations.c.currency == currency,
            good,
        )
    ).scalar()
    if held is None:
        return "there is no such charge"
    gone = connection.execute(
        select(func.coalesce(func.sum(_operations.c.amount), 0)).where(_operations.c.charge == charge, good)
    ).scalar_one()
    return None if amount <= held - gone else "more than the charge still holds"
