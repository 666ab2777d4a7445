"""What a system is judged by: its databases, its topics and its gateway's ledger, as plain values.

Whoever doubts a verdict can take the file, change a row, and ask the checker again.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

from sqlalchemy import URL

from chaos.rows import (
    Aborted,
    Event,
    Fence,
    GatewayEntry,
    Intent,
    Key,
    Letter,
    MoneyMove,
    Order,
    Payment,
    Place,
    Position,
    Receipt,
    Record,
    Replay,
    Reservation,
    Rewind,
    Saga,
    SagaLine,
    Stock,
    StockMove,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a system is, ours or a user's own; keys are the names of services.

    `databases` are URLs with credentials of a role that may read every table; `audit` is the auditor's, where
    recoveries are on record (None: nobody excuses a repeat by one). `gateway` is a URL, or
    `sqlite:PATH` of the ledger of one without a process of its own (None: it is not asked). `strangers` are
    the sources (`ce_source`) of records that somebody wrote past the outbox on purpose.
    """

    bootstrap_servers: str
    databases: Mapping[str, URL | str] = field(repr=False)
    audit: URL | str | None = field(default=None, repr=False)
    urls: Mapping[str, str] = field(default_factory=dict)
    gateway: str | None = None
    strangers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything, read once the system had come to rest; `still_open` is what had not.

    `gateway` is None where the gateway's own ledger could not be asked for.
    """

    orders: tuple[Order, ...] = ()
    sagas: tuple[Saga, ...] = ()
    saga_log: tuple[SagaLine, ...] = ()
    outbox: tuple[Event, ...] = ()
    replays: tuple[Replay, ...] = ()
    rewinds: tuple[Rewind, ...] = ()
    inbox: tuple[Receipt, ...] = ()
    dead_letters: tuple[Letter, ...] = ()
    fences: tuple[Fence, ...] = ()
    payments: tuple[Payment, ...] = ()
    intents: tuple[Intent, ...] = ()
    money: tuple[MoneyMove, ...] = ()
    gateway: tuple[GatewayEntry, ...] | None = None
    stock: tuple[Stock, ...] = ()
    stock_moves: tuple[StockMove, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    keys: tuple[Key, ...] = ()
    records: tuple[Record, ...] = ()
    reread: tuple[Place, ...] = ()
    positions: tuple[Position, ...] = ()
    aborted: tuple[Aborted, ...] = ()
    strangers: tuple[str, ...] = ()
    still_open: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write it compressed, a line of JSON a table: its name and its rows."""
        with gzip.open(path, "wt", compresslevel=1) as file:
            for name in _KINDS:
                file.write(json.dumps([name, getattr(self, name)], separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        rows: dict[str, Any] = {}
        with gzip.open(path, "rt") as file:
            for name, given in map(json.loads, file):
                rows[name] = _rows(_KINDS[name], given)
        return cls(**rows)


def _kind(hint: Any) -> type[Any]:
    """The type of a field's rows, out of `tuple[Order, ...]` or `tuple[Order, ...] | None`."""
    first: Any = get_args(hint)[0]
    return first if isinstance(first, type) else get_args(first)[0]


_KINDS = {name: _kind(hint) for name, hint in get_type_hints(Evidence).items()}


def _rows(kind: type[Any], given: list[Any] | None) -> tuple[Any, ...] | None:
    if given is None:
        return None
    return tuple(given) if kind is str else tuple(kind(*map(_frozen, values)) for values in given)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
