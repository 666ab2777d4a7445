"""The second revision of the mechanism in every history: one counter an aggregate, kept by the outbox."""

from alembic import op

from contracts.services import Service

_UP = """
CREATE TABLE sequences (
    aggregate_id text NOT NULL,
    last bigint NOT NULL,
    CONSTRAINT pk_sequences PRIMARY KEY (aggregate_id)
) WITH (fillfactor = 80);
INSERT INTO sequences (aggregate_id, last)
    SELECT {key}::text, sequence FROM {table} WHERE sequence > 0;
ALTER TABLE {table} DROP COLUMN sequence;
GRANT SELECT, INSERT, UPDATE ON sequences TO {app};
GRANT SELECT (aggregateid, sequence) ON outbox TO {app};
"""

_DOWN = """
REVOKE SELECT (aggregateid, sequence) ON outbox FROM {app};
ALTER TABLE {table} ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
UPDATE {table} SET sequence = sequences.last FROM sequences WHERE aggregate_id = {key}::text;
DROP TABLE sequences;
"""


def count_in_the_outbox(service: Service, table: str, key: str) -> None:
    """Take the numbers over from the column `sequence` of a business table."""
    op.execute(_UP.format(table=table, key=key, app=service.role("app")))


def count_in_the_table(service: Service, table: str, key: str) -> None:
    op.execute(_DOWN.format(table=table, key=key, app=service.role("app")))
