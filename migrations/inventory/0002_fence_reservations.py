"""Reservations behind fences, numbered by the outbox, and an index for those that nobody ends."""

from alembic import op

from contracts.services import INVENTORY
from migrations.fences import create_fences, drop_fences
from migrations.sequences import count_in_the_outbox, count_in_the_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Commands had no epoch yet, which is read as the first. A release without a reserve is a tombstone.
_FILL_FENCES = """
INSERT INTO fences (saga_id, step, epoch, state, reply_type, reply)
SELECT order_id, 'reserve', 1, known.state, known.reply_type,
       json_strip_nulls(json_build_object(
           'order_id', order_id, 'epoch', 1,
           'reason', CASE known.state WHEN 'refused' THEN coalesce(reason, 'refused') END))
FROM reservations
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN status IN ('RESERVED', 'SOLD') THEN 'done'
        WHEN status = 'REJECTED' THEN 'refused'
        WHEN EXISTS (SELECT FROM stock_ledger moved
                     WHERE moved.order_id = reservations.order_id AND movement = 'reserve') THEN 'undone'
        ELSE 'tombstone'
    END AS state, CASE
        WHEN status IN ('RESERVED', 'SOLD') THEN 'stock.reserved.v1'
        WHEN status = 'REJECTED' THEN 'stock.rejected.v1'
        ELSE 'stock.released.v1'
    END AS reply_type
) AS known
"""


def upgrade() -> None:
    count_in_the_outbox(INVENTORY, "reservations", "order_id")
    create_fences(INVENTORY)
    op.execute(_FILL_FENCES)
    op.execute("CREATE INDEX ix_reservations_reserved ON reservations (updated_at) WHERE status = 'RESERVED'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_reservations_reserved")
    drop_fences()
    count_in_the_table(INVENTORY, "reservations", "order_id")
    op.execute("ALTER TABLE reservations ALTER COLUMN sequence DROP DEFAULT")
