"""What the simulated gateway remembers: its SQLite file survives a kill of the process.

An ordinary charge is one statement, and a commit is a write without an fsync: what a load spends here is
no figure of the system that calls the gateway.
"""

import sqlite3
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

BUSY_SECONDS_MAX = 10.0

# operations: what was done, or declined, under each idempotency key.
# calls: the first token that a key's charges came with, for the cards that are remembered.
_TABLES = """
CREATE TABLE IF NOT EXISTS operations (
    number INTEGER NOT NULL PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    charge TEXT,
    declined TEXT
);
CREATE INDEX IF NOT EXISTS operations_charge ON operations (charge) WHERE charge IS NOT NULL;
CREATE TABLE IF NOT EXISTS calls (
    key TEXT NOT NULL PRIMARY KEY,
    token TEXT NOT NULL
);
"""
_FIRST_CALL = """
INSERT INTO calls (key, token)
SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM operations WHERE key = ?1 AND operation = 'charge')
ON CONFLICT (key) DO NOTHING
"""
_TOKEN = "SELECT token FROM calls WHERE key = ?"  # noqa: S105 - a statement
_KEEP = """
INSERT INTO operations (key, operation, amount, currency, charge, declined) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO NOTHING
"""
_FIND = "SELECT number, declined FROM operations WHERE key = ?"
_ENTRIES = """
SELECT number, key, operation, amount, currency, charge, declined
FROM operations WHERE number > ? ORDER BY number LIMIT ?
"""
_HELD = """
SELECT amount - (SELECT coalesce(sum(amount), 0) FROM operations WHERE charge = ?1 AND declined IS NULL)
FROM operations WHERE key = ?1 AND operation = 'charge' AND currency = ?2 AND declined IS NULL
"""


class Entry(NamedTuple):
    """What was done under a key; `declined` is the reason where it was refused."""

    reference: str
    declined: str | None


class Ledger:
    """The gateway's memory in the file at a path. Threads take turns, and so do processes.

    Every method raises sqlite3.Error where the file cannot be read or written.
    """

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        # No transaction but where one is begun: a statement by itself is whole.
        self._connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS_MAX, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_TABLES)

    def first_call(self, key: str, token: str) -> bool:
        """Whether no charge came under the key before; from now on one has."""
        with self._lock:
            return self._connection.execute(_FIRST_CALL, (key, token)).rowcount == 1

    def token_of(self, key: str) -> str | None:
        """The token that `first_call` was told of first; None where the key's charge came without it."""
        with self._lock:
            found = self._connection.execute(_TOKEN, (key,)).fetchall()
        return found[0][0] if found else None

    def keep_charge(self, key: str, amount: int, currency: str, declined: str | None) -> tuple[Entry, bool]:
        """(the entry under the key, whether it is new): whoever comes second gets the first one's."""
        with self._lock:
            return self._keep(key, "charge", amount, currency, None, declined)

    def keep_refund(
        self, key: str, amount: int, currency: str, charge: str, declined: str | None
    ) -> tuple[Entry, bool]:
        """The same for a refund, which is declined where the charge does not hold so much any more."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            declined = declined or self._lacking(charge, amount, currency)
            return self._keep(key, "refund", amount, currency, charge, declined)

    def find(self, key: str) -> Entry | None:
        with self._lock:
            return self._find(key)

    def entries(self, after: int, limit: int) -> Sequence[dict[str, Any]]:
        """Every operation whose number comes after, in their order."""
        with self._lock:
            cursor = self._connection.execute(_ENTRIES, (after, limit))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _keep(self, key: str, *values: Any) -> tuple[Entry, bool]:
        """`values` are the columns after the key; (the entry under it, whether it is new)."""
        cursor = self._connection.execute(_KEEP, (key, *values))
        if cursor.rowcount == 1:
            return Entry(f"op_{cursor.lastrowid}", values[-1]), True
        known = self._find(key)
        assert known is not None  # noqa: S101 - nothing else is in the way, and nothing is removed
        return known, False

    def _find(self, key: str) -> Entry | None:
        found = self._connection.execute(_FIND, (key,)).fetchall()
        return Entry(f"op_{found[0][0]}", found[0][1]) if found else None

    def _lacking(self, charge: str, amount: int, currency: str) -> str | None:
        """Why so much cannot go back from a charge, or None."""
        held = self._connection.execute(_HELD, (charge, currency)).fetchall()
        if not held:
            return "there is no such charge"
        return None if amount <= held[0][0] else "more than the charge still holds"
