"""Every statement of the payment service, by name, each with its reason."""

from sqlalchemy import text

# After the fences, and sorted, so that two processes lock the payments they share in one order.
LOCK_PAYMENTS = text("""
    SELECT 1 FROM payments WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id FOR UPDATE
""")

READ_PAYMENTS = text("""
    SELECT order_id, status, amount, currency, captured, refunded, reason FROM payments
    WHERE order_id = ANY(CAST(:order_ids AS uuid[]))
""")

# A payment that was declined is requested again when its saga tries anew.
REQUEST_PAYMENTS = text("""
    INSERT INTO payments (order_id, status, amount, currency)
    SELECT order_id, 'REQUESTED', amount, currency
    FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:amounts AS bigint[]), CAST(:currencies AS text[])
    ) AS row (order_id, amount, currency)
    ON CONFLICT (order_id) DO UPDATE
    SET status = excluded.status, amount = excluded.amount, currency = excluded.currency, reason = NULL,
        updated_at = clock_timestamp()
""")

# Every order has a payment, also one whose refund came first; a declined one stays as it is.
INSERT_REFUNDED = text("""
    INSERT INTO payments (order_id, status, amount, currency)
    SELECT order_id, 'REFUNDED', amount, currency
    FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:amounts AS bigint[]), CAST(:currencies AS text[])
    ) AS row (order_id, amount, currency)
    ON CONFLICT (order_id) DO NOTHING
""")

INSERT_INTENTS = text("""
    INSERT INTO payment_intents (order_id, operation, epoch, state, payment_token, traceparent)
    SELECT order_id, :operation, epoch, 'REQUESTED', payment_token, traceparent
    FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:epochs AS bigint[]), CAST(:payment_tokens AS text[]),
        CAST(:traceparents AS text[])
    ) AS row (order_id, epoch, payment_token, traceparent)
""")

# A charge that no executor has taken yet. One that is being claimed just now makes us wait for its claim,
# and is then seen as tried.
WITHDRAW_CHARGES = text("""
    UPDATE payment_intents
    SET state = 'WITHDRAWN', settled_at = clock_timestamp(), payment_token = NULL
    WHERE order_id = ANY(CAST(:order_ids AS uuid[])) AND operation = 'charge'
      AND state = 'REQUESTED' AND attempts = 0
    RETURNING order_id
""")

# Delivered at COMMIT: the executor starts at once, and not before the intents are there.
WAKE_EXECUTOR = text("SELECT pg_notify('payment_intents', '')")

# The lease is `due_at` moved on: until then no other executor takes the intent. A refund waits for its charge
# to be settled; of several charges the newest is the one that was good. A refund that had to wait is as a
# rule older than the last look, so that a look to the beginning finds it (runtime/lookback.py).
# The database's clock alone says what is due; ours only how far a look goes back. clock_timestamp() is
# volatile and cannot bound an index scan, statement_timestamp() is stable, and can. A charge is counted for
# each refund, by its key: NOT EXISTS may be answered by reading all that is open, and a plan made while the
# table was empty lasts until statistics are gathered.
CLAIM_INTENTS = text("""
    WITH due AS (
        SELECT intent.id, extract(epoch FROM statement_timestamp() - intent.due_at)::float8 AS late_seconds
        FROM payment_intents intent
        WHERE intent.state = 'REQUESTED' AND intent.due_at <= statement_timestamp()
          AND intent.due_at >= statement_timestamp() - make_interval(secs => :back_seconds)
          AND (intent.operation = 'charge' OR 0 = (
              SELECT count(*) FROM payment_intents charge
              WHERE charge.order_id = intent.order_id
                AND charge.operation = 'charge' AND charge.state = 'REQUESTED'
          ))
        ORDER BY intent.due_at LIMIT :limit
        FOR UPDATE OF intent SKIP LOCKED
    ), claimed AS (
        UPDATE payment_intents intent
        SET leased_by = :executor, attempts = intent.attempts + 1,
            due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
        FROM due WHERE intent.id = due.id
        RETURNING intent.id, intent.order_id, intent.operation, intent.payment_token, intent.attempts,
                  intent.traceparent, due.late_seconds
    )
    SELECT claimed.*, payment.amount, payment.currency, payment.captured, (
        SELECT charge.id FROM payment_intents charge
        WHERE charge.order_id = claimed.order_id AND charge.operation = 'charge'
        ORDER BY charge.epoch DESC LIMIT 1
    ) AS charge_id
    FROM claimed JOIN payments payment ON payment.order_id = claimed.order_id
""")

# No row back means that the webhook was taken before. A concurrent twin waits here for our commit.
TAKE_WEBHOOK = text("""
    INSERT INTO webhook_deliveries (id) VALUES (:id) ON CONFLICT DO NOTHING RETURNING id
""")

# What was settled stays settled whoever says it again; the ids only spare the work of finding that out.
FORGET_WEBHOOKS = text("""
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries
        WHERE received_at < statement_timestamp() - make_interval(secs => :older_than_seconds)
        ORDER BY received_at LIMIT :most
    )
""")

FIND_INTENT = text("""
    SELECT id, order_id, operation, traceparent FROM payment_intents WHERE id = CAST(:id AS uuid)
""")

# Only what nobody settled before us: a late executor finds nothing left to do.
SETTLE_INTENTS = text("""
    UPDATE payment_intents
    SET state = 'SETTLED', settled_at = clock_timestamp(), payment_token = NULL
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'REQUESTED'
    RETURNING id
""")

# Only one's own lease: a late executor must not cut another's short.
POSTPONE_INTENTS = text("""
    UPDATE payment_intents intent
    SET due_at = clock_timestamp() + make_interval(secs => postponed.seconds), leased_by = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:seconds AS float8[])) AS postponed (id, seconds)
    WHERE intent.id = postponed.id AND intent.state = 'REQUESTED' AND intent.leased_by = :executor
""")

# A charge or a refund that is still open: where the money is cannot be said.
MARK_UNKNOWN = text("""
    UPDATE payments SET status = 'UNKNOWN', updated_at = clock_timestamp()
    FROM payment_intents intent
    WHERE intent.id = ANY(CAST(:intent_ids AS uuid[])) AND intent.state = 'REQUESTED'
      AND payments.order_id = intent.order_id AND payments.status IN ('REQUESTED', 'CAPTURED')
""")

STORE_PAYMENTS = text("""
    UPDATE payments
    SET status = stored.status, captured = stored.captured, refunded = stored.refunded,
        reason = stored.reason, updated_at = clock_timestamp()
    FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:statuses AS text[]), CAST(:captured AS bigint[]),
        CAST(:refunded AS bigint[]), CAST(:reasons AS text[])
    ) AS stored (order_id, status, captured, refunded, reason)
    WHERE payments.order_id = stored.order_id
""")

WRITE_LEDGER = text("""
    INSERT INTO payment_ledger (order_id, operation, amount, currency, gateway_reference)
    SELECT * FROM unnest(
        CAST(:order_ids AS uuid[]), CAST(:operations AS text[]), CAST(:amounts AS bigint[]),
        CAST(:currencies AS text[]), CAST(:gateway_references AS text[])
    )
""")

GET_PAYMENT = text("""
    SELECT id, order_id, status, captured, refunded, currency FROM payments WHERE id = :id
""")

# Newest first; ids are time-ordered, so the id is both the order and the cursor.
LIST_PAYMENTS = text("""
    SELECT id, order_id, status, captured, refunded, currency FROM payments
    WHERE (CAST(:order_id AS uuid) IS NULL OR order_id = CAST(:order_id AS uuid))
      AND (CAST(:after AS uuid) IS NULL OR id < CAST(:after AS uuid))
    ORDER BY id DESC LIMIT :limit
""")
