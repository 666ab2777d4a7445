"""Gathers evidence from a system at rest, as an auditor: nothing is changed, no service is asked.

Services could be wrong about themselves; their tables, the topics and the gateway's ledger are what counts.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import requests
from sqlalchemy import URL, Connection, TextClause, make_url

from chaos import queries
from chaos.evidence import Endpoints, Evidence
from chaos.rows import (
    Aborted,
    Event,
    Fence,
    GatewayEntry,
    Intent,
    Items,
    Key,
    Letter,
    MoneyMove,
    Order,
    Payment,
    Place,
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
from chaos.topic_reader import TopicReader, committed_positions, count_records
from contracts.services import INVENTORY, ORDER, PAYMENT, SERVICES
from contracts.topics import CANARY, MESSAGE_TOPICS, read_by
from runtime.database import DatabaseLimits, connect_engine

TOPICS = (*(topic.name for topic in MESSAGE_TOPICS), CANARY.name)
READ_SECONDS_MAX = 600.0
_ASK_SECONDS = 10
_LEDGER_FILE = "sqlite:"
_PATIENT = DatabaseLimits(statement_ms=300_000, idle_in_transaction_ms=300_000, whole_tables=True)

# What is read of each service's database: the statement, and the rows it makes.
_EVERYWHERE: Mapping[str, tuple[TextClause, type[NamedTuple]]] = {
    "outbox": (queries.OUTBOX, Event),
    "replays": (queries.REPLAYS, Replay),
    "inbox": (queries.INBOX, Receipt),
    "dead_letters": (queries.DEAD_LETTERS, Letter),
}
_FENCES = {"fences": (queries.FENCES, Fence)}
_OWN: Mapping[str, Mapping[str, tuple[TextClause, type[NamedTuple]]]] = {
    ORDER.name: {
        "orders": (queries.ORDERS, Order),
        "sagas": (queries.SAGAS, Saga),
        "saga_log": (queries.SAGA_LOG, SagaLine),
        "keys": (queries.KEYS, Key),
    },
    PAYMENT.name: {
        **_FENCES,
        "payments": (queries.PAYMENTS, Payment),
        "intents": (queries.INTENTS, Intent),
        "money": (queries.MONEY, MoneyMove),
    },
    INVENTORY.name: {
        **_FENCES,
        "stock": (queries.STOCK, Stock),
        "stock_moves": (queries.STOCK_MOVES, StockMove),
        "reservations": (queries.RESERVATIONS, Reservation),
    },
}


def collect(endpoints: Endpoints, still_open: Sequence[str] = ()) -> Evidence:
    """Everything there is to judge by. `still_open` is what `at_rest` answered."""
    tables: dict[str, list[Any]] = {}
    for service in SERVICES:
        for name, rows in read_database(endpoints, service.name).items():
            tables.setdefault(name, []).extend(rows)
    return Evidence(
        **{name: tuple(rows) for name, rows in tables.items()},
        **_read_topics(endpoints.bootstrap_servers),
        rewinds=_read_rewinds(endpoints),
        gateway=_read_gateway(endpoints.gateway),
        strangers=tuple(sorted(endpoints.strangers)),
        still_open=tuple(still_open),
    )


@contextmanager
def connected(endpoints: Endpoints, service: str) -> Iterator[Connection]:
    """A service's database, as it is at one moment."""
    with _connected(endpoints.databases[service]) as connection:
        yield connection


@contextmanager
def _connected(url: URL | str) -> Iterator[Connection]:
    engine = connect_engine(make_url(url), process="checker", connections=1, limits=_PATIENT)
    try:
        with engine.begin() as connection:
            connection.execute(queries.ONE_MOMENT)
            yield connection
    finally:
        engine.dispose()


def read_database(endpoints: Endpoints, service: str) -> dict[str, list[Any]]:
    """The rows of a service's tables, by their names in the evidence."""
    wanted = {**_EVERYWHERE, **_OWN.get(service, {})}
    with connected(endpoints, service) as connection:
        return {name: _read(connection, statement, row, service) for name, (statement, row) in wanted.items()}


def _read(connection: Connection, statement: TextClause, row: type[Any], service: str) -> list[Any]:
    asked = {"service": service} if "service" in statement._bindparams else {}  # noqa: SLF001 - no public name
    return [row(*map(_plain, values)) for values in connection.execute(statement, asked)]


def _plain(value: Any) -> Any:
    return _items(value) if isinstance(value, list) else value


def _items(items: Sequence[Mapping[str, Any]]) -> Items:
    return tuple(sorted((item["sku"], item["quantity"]) for item in items))


def _read_rewinds(endpoints: Endpoints) -> tuple[Rewind, ...]:
    if endpoints.audit is None:
        return ()
    with _connected(endpoints.audit) as connection:
        return tuple(_read(connection, queries.REWINDS, Rewind, ""))


def _read_topics(servers: str) -> dict[str, Any]:
    """All that is committed, read twice by readers that know nothing of each other."""
    records, again = _read_all(servers), _read_all(servers)
    committed = Counter(record.topic for record in records)
    everything = count_records(servers, TOPICS, READ_SECONDS_MAX)
    aborted = everything - committed
    return {
        "records": records,
        "reread": tuple(Place(r.topic, r.partition, r.offset, r.id) for r in again),
        "aborted": tuple(Aborted(topic, number) for topic, number in sorted(aborted.items())),
        "positions": tuple(
            position
            for service in SERVICES
            for position in committed_positions(servers, service.name, read_by(service.name))
        ),
    }


def _read_all(servers: str) -> tuple[Record, ...]:
    with TopicReader(servers, TOPICS) as reader:
        return tuple(reader.to_the_end(READ_SECONDS_MAX))


def _read_gateway(url: str | None) -> tuple[GatewayEntry, ...] | None:
    """The gateway's own ledger, page by page where it answers HTTP."""
    if url is None:
        return None
    if url.startswith(_LEDGER_FILE):
        return _ledger(url.removeprefix(_LEDGER_FILE))
    entries: list[GatewayEntry] = []
    while page := _page(url, entries[-1].number if entries else 0):
        entries += page
    return tuple(entries)


def _ledger(path: str) -> tuple[GatewayEntry, ...]:
    """Read by itself, and not through the gateway's code: that might be what is wrong."""
    with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return tuple(map(GatewayEntry._make, connection.execute(queries.GATEWAY_LEDGER)))


def _page(url: str, after: int) -> list[GatewayEntry]:
    answer = requests.get(f"{url}/operations", params={"after": after}, timeout=_ASK_SECONDS)
    answer.raise_for_status()
    return [
        GatewayEntry(row["number"], row["key"], row["operation"], row["amount"], row["declined"])
        for row in answer.json()["operations"]
    ]
