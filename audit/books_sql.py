"""Statements about money and stock: on the auditor's own database, then on the services'."""

from sqlalchemy import text

# Whatever touches an order makes its money and stock worth another look, once it has ended: what a service
# tells of it, and what comes again. A record alone proves no order, and its key may be anything.
TOUCH_ORDERS = text("""
    INSERT INTO unsettled (order_id, final)
    SELECT touched.key, bool_or(touched.ends) OR EXISTS (
        SELECT FROM records WHERE records.key = touched.key AND records.topic = ANY(CAST(:final AS text[])))
    FROM (SELECT key, topic = ANY(CAST(:final AS text[])) AS ends FROM written WHERE topic <> :canary
          UNION ALL
          SELECT key, false FROM arrivals WHERE is_repeat AND topic <> :canary
    ) AS touched
    WHERE touched.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    GROUP BY touched.key ORDER BY touched.key
    ON CONFLICT (order_id) DO UPDATE SET final = unsettled.final OR excluded.final
""")
# Those with nothing under way: the longest not looked at first. What was looked at by a clock that was set
# back since is looked at again.
TO_SETTLE = text("""
    SELECT order_id FROM unsettled
    WHERE final AND NOT EXISTS (SELECT FROM awaited WHERE awaited.key = order_id)
      AND NOT EXISTS (SELECT FROM unread WHERE unread.key = order_id)
      AND (suspect_since IS NULL
           OR looked_at NOT BETWEEN clock_timestamp() - interval '5 seconds' AND clock_timestamp())
    ORDER BY looked_at NULLS FIRST LIMIT :most
""")
NEVER_LOOKED_AT = text("""
    SELECT EXISTS (SELECT FROM unsettled WHERE final AND looked_at IS NULL
        AND NOT EXISTS (SELECT FROM awaited WHERE awaited.key = order_id)
        AND NOT EXISTS (SELECT FROM unread WHERE unread.key = order_id))
""")
SETTLED = text("DELETE FROM unsettled WHERE order_id = ANY(CAST(:ids AS text[]))")
# What is wrong in another way than before is on the move, and gets its time anew.
SUSPECT = text("""
    UPDATE unsettled SET looked_at = clock_timestamp(), problem = suspect.problem,
        suspect_since = CASE WHEN unsettled.problem = suspect.problem THEN suspect_since
                             ELSE clock_timestamp() END
    FROM unnest(CAST(:ids AS text[]), CAST(:problems AS text[])) AS suspect (id, problem)
    WHERE order_id = suspect.id
""")
STOCK_SUMS = text("SELECT sku, on_hand, reserved, sold FROM stock_sums")
ADD_STOCK = text("""
    INSERT INTO stock_sums (sku, on_hand, reserved, sold) VALUES (:sku, :on_hand, :reserved, :sold)
    ON CONFLICT (sku) DO UPDATE SET on_hand = stock_sums.on_hand + excluded.on_hand,
        reserved = stock_sums.reserved + excluded.reserved, sold = stock_sums.sold + excluded.sold
""")

LEDGER_MARK = text("SELECT ledger_mark FROM sources WHERE service = :service")
SET_LEDGER_MARK = text("""
    INSERT INTO sources (service, ledger_mark) VALUES (:service, :mark)
    ON CONFLICT (service) DO UPDATE SET ledger_mark = excluded.ledger_mark
""")

# ── in the services' databases

# `by_hand`: a person has settled it outside the system, and accounts for it. Counted, because EXISTS may be
# answered by reading the whole log.
ORDERS = text("""
    SELECT id::text AS order_id, status, total_amount, items, (
        SELECT count(*) FROM saga_log WHERE saga_id = orders.id AND kind = 'resolve') > 0 AS by_hand
    FROM orders WHERE id = ANY(CAST(:ids AS uuid[]))
""")
PAYMENTS = text("""
    SELECT order_id::text, captured, refunded, sum(coalesce(payment_ledger.amount, 0))::bigint AS moved,
           count(*) FILTER (WHERE operation = 'charge') AS charges,
           count(*) FILTER (WHERE operation = 'refund') AS refunds
    FROM payments LEFT JOIN payment_ledger USING (order_id)
    WHERE order_id = ANY(CAST(:ids AS uuid[])) GROUP BY order_id, captured, refunded
""")
RESERVATIONS = text(
    "SELECT order_id::text, status FROM reservations WHERE order_id = ANY(CAST(:ids AS uuid[]))"
)
MOVEMENTS = text("""
    SELECT order_id::text, sku, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved,
           sum(sold)::bigint AS sold, max(moves) AS most_moves
    FROM (SELECT order_id, sku, on_hand, reserved, sold, count(*) OVER (PARTITION BY order_id, sku, movement)
              AS moves FROM stock_ledger WHERE order_id = ANY(CAST(:ids AS uuid[]))) AS moved
    GROUP BY order_id, sku
""")
# A letter that waits has had no effect yet; one that was discarded never will, and a person answers for it.
# Each kind has an index of its own; those that were redriven are in neither.
LETTERS = text("""
    SELECT key, bool_or(waits) AS waits FROM (
        SELECT key, true AS waits FROM dead_letters
        WHERE consumer = :service AND key = ANY(CAST(:ids AS text[])) AND settled_at IS NULL
        UNION ALL
        SELECT key, false FROM dead_letters
        WHERE key = ANY(CAST(:ids AS text[])) AND outcome = 'discarded'
    ) AS told GROUP BY key
""")

# One snapshot for all three: the ledger from the mark on, the stock, and what orders hold of it.
LEDGER = text("""
    SELECT sku, xact < :horizon AS is_whole, sum(on_hand)::bigint AS on_hand,
           sum(reserved)::bigint AS reserved, sum(sold)::bigint AS sold
    FROM stock_ledger WHERE xact >= :mark GROUP BY sku, is_whole
""")
STOCK = text("SELECT sku, on_hand, reserved, sold FROM stock")
PROMISED = text("""
    SELECT item ->> 'sku' AS sku, sum((item ->> 'quantity')::bigint)::bigint AS quantity
    FROM reservations, jsonb_array_elements(items) AS item WHERE status = 'RESERVED' GROUP BY 1
""")
