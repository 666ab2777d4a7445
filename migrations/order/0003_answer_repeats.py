"""Idempotency keys with the answers they are owed, and who has asked how often."""

from alembic import op

from contracts.services import ORDER

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A key is claimed first and answered in the same transaction; only the two together are committed.
_KEYS = """
CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    headers json,
    body json,
    created_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (caller, route, key),
    CONSTRAINT ck_idempotency_keys_key_bounded CHECK (octet_length(key) BETWEEN 1 AND 255),
    CONSTRAINT ck_idempotency_keys_fingerprint_sha256 CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT ck_idempotency_keys_answer_whole CHECK (num_nulls(status, headers, body) IN (0, 3)),
    CONSTRAINT ck_idempotency_keys_errors_not_kept CHECK (status BETWEEN 200 AND 299)
);
CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at);
"""

# Unlogged: a crash empties it, which lets every client start anew, and no request waits for a disk.
_LIMITS = """
CREATE UNLOGGED TABLE rate_limits (
    client text NOT NULL,
    theoretical_arrival timestamp with time zone NOT NULL,
    CONSTRAINT pk_rate_limits PRIMARY KEY (client)
);
"""


def upgrade() -> None:
    op.execute(_KEYS)
    op.execute(_LIMITS)
    op.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys, rate_limits TO {ORDER.role('app')}"
    )


def downgrade() -> None:
    op.execute("DROP TABLE idempotency_keys, rate_limits")
