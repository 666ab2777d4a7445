"""What the auditor keeps: marks, records, what it awaits, findings, recoveries, the newest report."""

from alembic import op

from contracts.services import AUDITOR_ROLE

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_READING = """
CREATE TABLE sources (
    service text NOT NULL,
    outbox_mark bigint NOT NULL DEFAULT 0,
    ledger_mark bigint NOT NULL DEFAULT 0,
    CONSTRAINT pk_sources PRIMARY KEY (service)
);
CREATE TABLE positions (
    topic text NOT NULL,
    partition bigint NOT NULL,
    topic_id text NOT NULL,
    next_offset bigint NOT NULL,
    CONSTRAINT pk_positions PRIMARY KEY (topic, partition)
);
CREATE TABLE records (
    event_id uuid NOT NULL,
    topic text NOT NULL,
    partition bigint NOT NULL,
    "offset" bigint NOT NULL,
    key text NOT NULL,
    sequence bigint NOT NULL,
    source text NOT NULL,
    digest bytea NOT NULL,
    appended_at timestamp with time zone NOT NULL,
    CONSTRAINT pk_records PRIMARY KEY (event_id, topic, partition, "offset")
);
CREATE INDEX ix_records_key ON records (key, topic);
CREATE TABLE days (
    service text NOT NULL,
    day date NOT NULL,
    written bigint NOT NULL,
    CONSTRAINT pk_days PRIMARY KEY (service, day)
);
"""

_WAITING = """
CREATE TABLE awaited (
    event_id uuid NOT NULL,
    service text NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    sequence bigint NOT NULL,
    digest bytea NOT NULL,
    noted_lsn bigint NOT NULL,
    noted_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    lost_at timestamp with time zone,
    CONSTRAINT pk_awaited PRIMARY KEY (event_id)
);
CREATE INDEX ix_awaited_key ON awaited (key);
CREATE TABLE unread (
    event_id uuid NOT NULL,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition bigint NOT NULL,
    "offset" bigint NOT NULL,
    key text NOT NULL,
    noted_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    skipped_at timestamp with time zone,
    CONSTRAINT pk_unread PRIMARY KEY (event_id, consumer)
);
CREATE INDEX ix_unread_key ON unread (key);
CREATE TABLE unclaimed (
    event_id uuid NOT NULL,
    topic text NOT NULL,
    partition bigint NOT NULL,
    "offset" bigint NOT NULL,
    source text NOT NULL,
    noted_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_unclaimed PRIMARY KEY (event_id)
);
CREATE TABLE gaps (
    source text NOT NULL,
    key text NOT NULL,
    noted_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_gaps PRIMARY KEY (source, key)
);
"""

_BOOKS = """
CREATE TABLE unsettled (
    order_id text NOT NULL,
    final boolean NOT NULL,
    looked_at timestamp with time zone,
    suspect_since timestamp with time zone,
    problem text,
    CONSTRAINT pk_unsettled PRIMARY KEY (order_id)
);
CREATE INDEX ix_unsettled_looked_at ON unsettled (looked_at) WHERE final;
CREATE TABLE stock_sums (
    sku text NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    sold bigint NOT NULL,
    CONSTRAINT pk_stock_sums PRIMARY KEY (sku)
);
"""

_FINDINGS = """
CREATE TABLE findings (
    kind text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL,
    found_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    explained_by bigint,
    CONSTRAINT pk_findings PRIMARY KEY (kind, subject),
    CONSTRAINT ck_findings_kind_known CHECK (kind IN
        ('phantom', 'repeated', 'reordered', 'altered', 'books', 'duplicated', 'topic-made-anew'))
);
CREATE INDEX ix_findings_open ON findings (kind) WHERE explained_by IS NULL;
CREATE TABLE recoveries (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    services text[] NOT NULL,
    topics text[] NOT NULL,
    done_by text NOT NULL,
    reason text NOT NULL,
    done_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_recoveries PRIMARY KEY (id)
);
CREATE TABLE report (
    id bigint NOT NULL,
    began_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    body jsonb NOT NULL,
    CONSTRAINT pk_report PRIMARY KEY (id),
    CONSTRAINT ck_report_one_row CHECK (id = 1)
);
"""

# Findings and recoveries are evidence: the auditor adds to them, and takes nothing back.
_GRANTS = f"""
GRANT SELECT, INSERT, UPDATE, DELETE ON
    sources, positions, records, days, awaited, unread, unclaimed, gaps, unsettled, stock_sums, report
    TO {AUDITOR_ROLE};
GRANT SELECT, INSERT, UPDATE ON findings TO {AUDITOR_ROLE};
GRANT SELECT, INSERT ON recoveries TO {AUDITOR_ROLE};
"""


def upgrade() -> None:
    for statements in (_READING, _WAITING, _BOOKS, _FINDINGS, _GRANTS):
        op.execute(statements)


def downgrade() -> None:
    op.execute("""
        DROP TABLE sources, positions, records, days, awaited, unread, unclaimed, gaps, unsettled,
            stock_sums, findings, recoveries, report
    """)
