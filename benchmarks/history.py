"""What a system begins with: so many rows in every table that orders make grow, or so many orders under way.

Written straight into the services' databases, before there is a relay that could send them. Each table's rows
have keys of their own, made in the order of time as the services' are; no order stands behind them. So a run
on such a past is judged by the auditor, which is told to begin after it.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Engine, text

from audit import sql as audit_sql
from benchmarks import sql
from contracts.services import AUDIT, INVENTORY, ORDER, PAYMENT, Service
from contracts.topics import read_by
from migrations.database import admin_engine
from order.saga import Patience, definitions
from saga import advance, records
from stack import prey
from stack.layout import Layout
from stack.postgres import SUPERUSER

# A transaction's worth, of rows that the database makes and of sagas that we do.
ROWS_MAX, SAGAS_MAX = 1_000_000, 5_000
A_DAY = 24 * 60 * 60.0

_KEYS = "FROM (SELECT uuidv7() AS key FROM generate_series(1, CAST(:rows AS int))) AS made"
_ITEMS = """'[{"sku": "PIZZA", "quantity": 1}]'"""


def _mechanism(service: Service, topic: str) -> tuple[str, ...]:
    name, read = service.name, read_by(service.name)[0]
    return (
        f"""
        INSERT INTO outbox (aggregatetype, aggregateid, type, payload, topic, sequence, source, saga_id)
        SELECT '{name}', key::text, 'history', json_build_object('order_id', key, 'epoch', 1),
               '{topic}', 1, '/{name}', key::text {_KEYS}
        """,
        f"""
        INSERT INTO inbox (event_id, consumer, topic, partition, "offset")
        SELECT key, '{name}', '{read}', 0, 0 {_KEYS}
        """,
        f"INSERT INTO sequences (aggregate_id, last) SELECT key::text, 1 {_KEYS}",
    )


_FENCES = f"""
    INSERT INTO fences (saga_id, step, epoch, state, reply_type, reply)
    SELECT key, 'history', 1, 'done', 'history', '{{}}' {_KEYS}
"""
_TABLES: Mapping[Service, tuple[str, ...]] = {
    ORDER: (
        f"""
        INSERT INTO orders (id, status, items, total_amount, currency)
        SELECT key, 'COMPLETED', {_ITEMS}, 1250, 'EUR' {_KEYS}
        """,
        f"""
        INSERT INTO sagas (id, definition, version, fingerprint, status, awaits, steps)
        SELECT key, 'order', 1, 'history', 'COMPLETED', '{{}}', '{{}}' {_KEYS}
        """,
        f"INSERT INTO saga_log (saga_id, kind, status) SELECT key, 'begun', 'RUNNING' {_KEYS}",
        *_mechanism(ORDER, "order-created"),
    ),
    PAYMENT: (
        f"""
        INSERT INTO payments (order_id, status, amount, currency, captured)
        SELECT key, 'CAPTURED', 1250, 'EUR', 1250 {_KEYS}
        """,
        f"""
        INSERT INTO payment_ledger (order_id, operation, amount, currency, gateway_reference)
        SELECT key, 'charge', 1250, 'EUR', 'history' {_KEYS}
        """,
        _FENCES,
        *_mechanism(PAYMENT, "payment-success"),
    ),
    INVENTORY: (
        f"INSERT INTO reservations (order_id, status, items) SELECT key, 'SOLD', {_ITEMS} {_KEYS}",
        # Of a dish that is not there, and nothing of it: stock and ledger agree as before.
        f"""
        INSERT INTO stock_ledger (order_id, sku, movement, on_hand, reserved, sold)
        SELECT key, 'HISTORY', 'sell', 0, 0, 0 {_KEYS}
        """,
        _FENCES,
        *_mechanism(INVENTORY, "stock-reserved"),
    ),
}

_PENDING = text(f"""
    INSERT INTO orders (id, status, items, total_amount, currency)
    SELECT key, 'PENDING', {_ITEMS}, 1250, 'EUR' {_KEYS} RETURNING id
""")


def fill(layout: Layout, rows: int) -> None:
    """So many rows in each table, looked over as autovacuum would sooner or later."""
    marks = {}
    for service, statements in _TABLES.items():
        engine = _engine(layout, service)
        for part in _parts(rows):
            with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
                marks[service.name] = _fill(connection, statements, part) + 1
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        engine.dispose()
    _begin_after(layout, marks)


def begin(layout: Layout, orders: int) -> None:
    """So many orders, and sagas that wait for both answers, none of which comes; they may take a day.

    Those two rows of each are all there is: nothing was written to be relayed or done.
    """
    definition = definitions(Patience(action_seconds=A_DAY))[-1]
    engine = _engine(layout, ORDER)
    for part in _parts(orders, SAGAS_MAX):
        with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            made = connection.scalars(_PENDING, {"rows": part}).all()
            now = connection.execute(audit_sql.NOW).scalar_one()
            states = [advance.begin(definition, order_id, now).state for order_id in made]
            records.insert(connection, definition, states, [None] * part)
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _fill(connection: Connection, statements: tuple[str, ...], rows: int) -> int:
    """Answers with the transaction that wrote them."""
    for statement in statements:
        connection.execute(text(statement), {"rows": rows})
    return int(connection.execute(sql.THIS_TRANSACTION).scalar_one())


def _parts(rows: int, most: int = ROWS_MAX) -> Iterator[int]:
    return (min(most, rows - at) for at in range(0, rows, most))


def _begin_after(layout: Layout, marks: Mapping[str, int]) -> None:
    """The auditor has read every outbox up to there, as far as it knows."""
    engine = _engine(layout, AUDIT)
    with engine.connect() as connection:
        for name, mark in marks.items():
            connection.execute(audit_sql.SET_OUTBOX_MARK, {"service": name, "mark": mark})
    engine.dispose()


def _engine(layout: Layout, service: Service) -> Engine:
    return admin_engine(prey.database(layout, SUPERUSER, service.database))
