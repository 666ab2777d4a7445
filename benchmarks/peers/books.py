"""The three databases that every peer keeps its books in: made afresh, asked, and checked."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.peers import sql
from benchmarks.peers.peer import Door, Ground, Order

DATABASES = ("orders", "payments", "inventory")
_SCHEMA = Path(__file__).with_name("schema.sql")
# What an order that ended so has in the other two databases; where nothing stands, it has no row.
_PAYMENT = {"COMPLETED": "CAPTURED", "FAILED": "DECLINED", "CANCELLED": "REFUNDED"}
_RESERVATION = {"COMPLETED": "SOLD", "CANCELLED": "REFUSED"}


def sections() -> dict[str, str]:
    """The statements of the schema by database."""
    _, *parts = re.split(r"^-- database (\w+)$", _SCHEMA.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def make_afresh(ground: Ground, *also: str) -> None:
    """The three databases as they are before the first order, and others of a peer's own, empty."""
    with psycopg.connect(ground.server.conninfo, autocommit=True) as connection:
        for name in (*DATABASES, *also):
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    for name, statements in sections().items():
        run(ground.database(name), statements)


def run(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


class Books:
    """Reads what a peer has stored, on connections of its own."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._opened = ground, ExitStack()
        self._to = dict[str, psycopg.Connection[Any]]()

    def __enter__(self) -> Self:
        for name in DATABASES:
            connection = psycopg.connect(self._ground.database(name), autocommit=True)
            self._to[name] = self._opened.enter_context(connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def ended(self) -> int:
        [(count,)] = self._ask("orders", sql.ENDED)
        return int(count)

    def finished(self) -> Mapping[str, float]:
        return dict(self._ask("orders", sql.FINISHED))

    def wrong(self, placed: Sequence[Order]) -> list[str]:
        """Every difference between what these orders demand and what is stored, as a sentence."""
        ends = {order.id: order.end for order in placed}
        demanded = {
            "orders": ends,
            "payments": {key: _PAYMENT[end] for key, end in ends.items()},
            "inventory": {key: _RESERVATION[end] for key, end in ends.items() if end in _RESERVATION},
        }
        found = [self._compared(name, demanded[name]) for name in DATABASES]
        completed = [order for order in placed if order.end == "COMPLETED"]
        [(captured,)] = self._ask("payments", sql.CAPTURED)
        [(sold, ever)] = self._ask("inventory", sql.SOLD)
        found += [
            _said("cents captured", captured, sum(order.amount for order in completed)),
            _said("items sold", sold, sum(order.quantity for order in completed)),
            _said("items there ever were", ever, 100_000_000),
            _said("ends counted", self.ended(), len(placed)),
        ]
        return [each for each in found if each]

    def _compared(self, name: str, demanded: Mapping[str, str]) -> str:
        stored = dict(self._ask(name, sql.STATUSES[name]))
        different = sum(stored.get(key) != demanded.get(key) for key in {*stored, *demanded})
        return f"{different} of {len(demanded)} rows are not as they should be in {name}" if different else ""

    def _ask(self, database: str, statement: str) -> list[Any]:
        return self._to[database].execute(statement.encode()).fetchall()


def _said(what: str, found: int, due: int) -> str:
    return "" if found == due else f"{what}: {found}, not {due}"


class Standing:
    """What is the same of all peers that keep these books; how an order is placed is for each to say."""

    def __init__(self, books: Books, door: Door, processes: Mapping[str, psutil.Process]) -> None:
        self._books, self._door, self._processes = books, door, processes

    def ended(self) -> int:
        return self._books.ended()

    def finished(self) -> Mapping[str, float]:
        return self._books.finished()

    def wrong(self, placed: Sequence[Order]) -> list[str]:
        return self._books.wrong(placed)

    def processes(self) -> Mapping[str, psutil.Process]:
        return self._processes
