-- What the order service does for one order, by hand: the same rows in one transaction.
BEGIN;
INSERT INTO orders (status, items, total_amount, currency, payment_token)
VALUES ('PENDING', '[{"sku": "PIZZA", "quantity": 1, "unit_price": 1250}]', 1250, 'EUR', 'tok_ok')
RETURNING id \gset
INSERT INTO sagas (id, definition, version, fingerprint, status, awaits, steps, due_at, traceparent)
VALUES (:id, 'order', 2, 'by hand', 'RUNNING', '{charge,reserve}',
        '{"charge": ["asked", 1, 1, "2026-01-01T00:00:00Z"], "reserve": ["asked", 1, 1, "2026-01-01T00:00:00Z"]}',
        clock_timestamp() + interval '15 minutes', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
INSERT INTO sequences (aggregate_id, last) VALUES (:id, 3);
INSERT INTO outbox (aggregatetype, aggregateid, type, payload, topic, sequence, source, saga_id, traceparent) VALUES
    ('order', :id, 'order.created.v1', json_build_object('order_id', :id::text, 'total', 1250), 'order-created', 1, '/order', :id, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
    ('order', :id, 'payment.charge.v1', json_build_object('order_id', :id::text, 'epoch', 1), 'payment-commands', 2, '/order', :id, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
    ('order', :id, 'inventory.reserve.v1', json_build_object('order_id', :id::text, 'epoch', 1), 'inventory-commands', 3, '/order', :id, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
INSERT INTO saga_log (saga_id, kind, status) VALUES
    (:id, 'begun', 'RUNNING'), (:id, 'event', 'RUNNING'), (:id, 'command', 'RUNNING'), (:id, 'command', 'RUNNING');
COMMIT;
