"""A history of orders, made where it belongs: in the services' databases."""

from sqlalchemy import text

from audit.digest import OF_ROW

UNSETTLED = text("SELECT count(*) FROM unsettled")
THIS_TRANSACTION = text("SELECT pg_current_xact_id()::text::bigint")

# The key of order number n is the same in all databases.
_KEY = "md5(n::text)::uuid"
_NUMBERS = "FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"


def _events(service: str, number: int, topic: str, kind: str) -> str:
    return f"""
        INSERT INTO outbox (aggregatetype, aggregateid, type, payload, topic, sequence, source, saga_id)
        SELECT '{service}', {_KEY}::text, '{kind}', json_build_object('order_id', {_KEY}, 'epoch', 1),
               '{topic}', {number}, '/{service}', {_KEY}::text {_NUMBERS}
    """


# Five events an order, and the money and the stock of one that was completed.
ORDERS = {
    "order": [
        f"""
        INSERT INTO orders (id, status, items, total_amount, currency)
        SELECT {_KEY}, 'COMPLETED', '[{{"sku": "PIZZA", "quantity": 1, "unit_price": 1250}}]', 1250, 'EUR'
        {_NUMBERS}
        """,
        _events("order", 1, "order-created", "order.created.v1"),
        _events("order", 2, "payment-commands", "payment.charge.v1"),
        _events("order", 3, "order-completed", "order.completed.v1"),
    ],
    "payment": [
        f"""
        INSERT INTO payments (order_id, status, amount, currency, captured)
        SELECT {_KEY}, 'CAPTURED', 1250, 'EUR', 1250 {_NUMBERS}
        """,
        f"""
        INSERT INTO payment_ledger (order_id, operation, amount, currency, gateway_reference)
        SELECT {_KEY}, 'charge', 1250, 'EUR', 'op' {_NUMBERS}
        """,
        _events("payment", 1, "payment-success", "payment.captured.v1"),
    ],
    "inventory": [
        f"""
        INSERT INTO reservations (order_id, status, items)
        SELECT {_KEY}, 'SOLD', '[{{"sku": "PIZZA", "quantity": 1}}]' {_NUMBERS}
        """,
        f"""
        INSERT INTO stock_ledger (order_id, sku, movement, on_hand, reserved, sold)
        SELECT {_KEY}, 'PIZZA', movement, on_hand, reserved, sold {_NUMBERS},
            (VALUES ('reserve', -1, 1, 0), ('sell', 0, -1, 1)) AS moved (movement, on_hand, reserved, sold)
        """,
        """
        UPDATE stock SET on_hand = on_hand - (:last - :first + 1), sold = sold + (:last - :first + 1)
        WHERE sku = 'PIZZA'
        """,
        _events("inventory", 1, "stock-reserved", "stock.reserved.v1"),
    ],
}

# Written by these transactions: what a relay would send, in the order of their keys' numbers.
SENT = text(f"""
    SELECT id, topic, aggregateid AS key, sequence, source, {OF_ROW} AS digest FROM outbox
    WHERE xact = :xact ORDER BY id
""")  # noqa: S608 - constants of this file
SEEN = text("""
    INSERT INTO inbox (event_id, consumer, topic, partition, "offset")
    SELECT id, :consumer, topic, 0, 0
    FROM unnest(CAST(:ids AS uuid[]), CAST(:topics AS text[])) AS seen (id, topic)
""")

# History goes straight from an outbox to the auditor's books.
COPY_OUT = f"""
    COPY (SELECT id, topic, 0::bigint, row_number() OVER (ORDER BY id), aggregateid, sequence, source,
                 {OF_ROW}, created_at FROM outbox WHERE xact = %s) TO STDOUT (FORMAT BINARY)
"""  # noqa: S608 - constants of this file
COPY_IN = """
    COPY records (event_id, topic, partition, "offset", key, sequence, source, digest, appended_at)
    FROM STDIN (FORMAT BINARY)
"""

_EVENT = "aggregatetype, aggregateid, type, payload, topic, sequence, source"
ONE_EVENT = text(f"""
    INSERT INTO outbox ({_EVENT})
    VALUES ('order', 'a-key', 'order.created.v1', '{{}}', 'order-created', 1, '/order')
""")  # noqa: S608 - constants of this file
# Ids as uuidv7() would have made them on that day.
OLD_EVENTS = text(f"""
    INSERT INTO outbox (id, {_EVENT})
    SELECT uuidv7(CAST(:day AS date)::timestamp AT TIME ZONE 'UTC' + interval '12 hours' - clock_timestamp()),
           'order', n::text, 'order.created.v1', '{{}}', 'order-created', 1, '/order'
    FROM generate_series(1, CAST(:rows AS int)) AS n
""")  # noqa: S608 - constants of this file

POSTGRES_VERSION = text("SELECT current_setting('server_version')")
# As the outbox makes them; whoever asks for none gets none.
NEW_IDS = text("SELECT uuidv7() FROM generate_series(1, CAST(:number AS int))")
# After commands to reserve one PIZZA each, every one of them should be the number of commands, `parked` 0.
WHAT_CAME_OF_COMMANDS = text("""
    SELECT (SELECT count(*) FROM inbox) AS inbox,
           (SELECT count(*) FROM outbox WHERE topic = 'stock-reserved') AS replies,
           (SELECT count(DISTINCT aggregateid) FROM outbox) AS answered,
           (SELECT count(*) FROM reservations WHERE status = 'RESERVED') AS reserved,
           stock.reserved AS taken,
           (SELECT sum(on_hand) FROM stock_ledger WHERE sku = 'PIZZA' AND movement = 'restock')::bigint
               - stock.on_hand AS moved,
           (SELECT count(*) FROM dead_letters) AS parked
    FROM stock WHERE sku = 'PIZZA'
""")

# For psycopg itself: the event of an order that was placed, as the outbox writes it; each key's first.
ANNOUNCED = f"""
    INSERT INTO outbox ({_EVENT}, saga_id)
    VALUES ('order', %(key)s, 'order.created.v1', %(payload)s, 'order-created', 1, '/order', %(key)s)
"""  # noqa: S608 - constants of this file
# As long a row, many times, with a commit after each; the number of rows is put in for {rows}.
ANNOUNCED_ONE_BY_ONE = f"""
    DO $$
    DECLARE
        key text;
    BEGIN
        FOR n IN 1..{{rows}} LOOP
            key := gen_random_uuid();
            INSERT INTO outbox ({_EVENT}, saga_id)
            VALUES ('order', key, 'order.created.v1',
                    json_build_object('order_id', key, 'items', json_build_array(json_build_object(
                        'sku', 'PIZZA', 'quantity', 1, 'unit_price', 1250)),
                        'total', json_build_object('amount', 1250, 'currency', 'EUR')),
                    'order-created', 1, '/order', key);
            COMMIT;
        END LOOP;
    END
    $$
"""  # noqa: S608 - constants of this file
# As a relay's own is made (connect/sql.py); the position as Debezium stores one.
MAKE_SLOT = """
    SELECT (lsn - '0/0')::bigint
    FROM pg_create_logical_replication_slot(%(slot)s, 'pgoutput', false, false, true)
"""
DROP_SLOT = "SELECT pg_drop_replication_slot(%(slot)s)"
END_OF_WAL = "SELECT pg_current_wal_flush_lsn()::text"

# An ended saga is not written any more.
SAGA_ENDS = text("""
    SELECT id::text AS id, extract(epoch FROM updated_at)::float8 AS at FROM sagas
    WHERE id = ANY(CAST(:ids AS uuid[]))
""")

_DISHES = "FROM generate_series(1, CAST(:number AS int)) AS n"
NEW_DISHES = text(f"""
    INSERT INTO products (sku, name, unit_price, currency)
    SELECT 'DISH-' || n, 'A dish', 1250, 'EUR' {_DISHES}
""")
# In one transaction: at no moment are stock and ledger apart.
NEW_STOCK = (
    text(f"INSERT INTO stock (sku, on_hand) SELECT 'DISH-' || n, 1000000 {_DISHES}"),
    text(f"""
        INSERT INTO stock_ledger (sku, movement, on_hand, reserved, sold)
        SELECT 'DISH-' || n, 'restock', 1000000, 0, 0 {_DISHES}
    """),
)

# Every order that has come to its end: how, and when its saga was stored.
ORDER_ENDS = text("""
    SELECT orders.id::text AS id, orders.status, extract(epoch FROM sagas.updated_at)::float8 AS at
    FROM orders JOIN sagas ON sagas.id = orders.id WHERE sagas.status IN ('COMPLETED', 'COMPENSATED')
""")
