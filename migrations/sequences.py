"""The second revision of the mechanism in every history: one counter an aggregate, kept by the outbox."""

from alembic import op

from contracts.services import Service

_CREATE = """
CREATE TABLE sequences (
    aggregate_id text NOT NULL,
    last bigint NOT NULL,
    CONSTRAINT pk_sequences PRIMARY KEY (aggregate_id)
) WITH (fillfactor = 80);
GRANT SELECT, INSERT, UPDATE ON sequences TO {app};
GRANT SELECT (aggregateid, sequence) ON outbox TO {app};
"""

_TAKE_OVER = """
INSERT INTO sequences (aggregate_id, last)
    SELECT {key}::text, sequence FROM {table} WHERE sequence > 0;
ALTER TABLE {table} DROP COLUMN sequence;
"""

_GIVE_BACK = """
ALTER TABLE {table} ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
UPDATE {table} SET sequence = sequences.last FROM sequences WHERE aggregate_id = {key}::text;
"""

_DROP = """
REVOKE SELECT (aggregateid, sequence) ON outbox FROM {app};
DROP TABLE sequences;
"""


def create_sequences(service: Service) -> None:
    """The counter of a service that begins with it."""
    op.execute(_CREATE.format(app=service.role("app")))


def drop_sequences(service: Service) -> None:
    op.execute(_DROP.format(app=service.role("app")))


def count_in_the_outbox(service: Service, table: str, key: str) -> None:
    """Take the numbers over from the column `sequence` of a business table."""
    create_sequences(service)
    op.execute(_TAKE_OVER.format(table=table, key=key))


def count_in_the_table(service: Service, table: str, key: str) -> None:
    op.execute(_GIVE_BACK.format(table=table, key=key))
    drop_sequences(service)
