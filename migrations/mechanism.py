"""What every history's first revision makes for the mechanism: outbox, inbox and what belongs to them.

Written out here, not taken from messaging.tables: a history must not change when the tables do.
A later change of the mechanism is a revision in each of the three histories.
"""

from collections.abc import Sequence

from alembic import op

from contracts.services import Service

_EVENT_COLUMNS = """
    aggregatetype text NOT NULL,
    aggregateid   text NOT NULL,
    type          text NOT NULL,
    payload       json NOT NULL,
    topic         text NOT NULL,
    sequence      bigint NOT NULL,
    source        text NOT NULL,
    saga_id       text,
    traceparent   text,
    created_at    timestamp(6) with time zone NOT NULL DEFAULT clock_timestamp()
"""

# An event that Kafka would refuse must not be committed here.
_EVENT_CHECKS = """
    CONSTRAINT ck_{table}_topic_known CHECK (topic IN ({topics})),
    CONSTRAINT ck_{table}_key_given CHECK (aggregateid <> ''),
    CONSTRAINT ck_{table}_sequence_positive CHECK (sequence > 0),
    CONSTRAINT ck_{table}_payload_bounded CHECK (octet_length(payload::text) <= 262144)
"""

_TABLES = """
CREATE TABLE outbox (
    id uuid NOT NULL DEFAULT uuidv7(),
    {event_columns},
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    {outbox_checks}
) PARTITION BY RANGE (id);

CREATE TABLE outbox_replay (
    replay_id bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    {event_columns},
    requested_by text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT pk_outbox_replay PRIMARY KEY (replay_id),
    {replay_checks}
);

CREATE TABLE inbox (
    event_id uuid NOT NULL,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    received_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_inbox PRIMARY KEY (event_id, consumer)
) PARTITION BY RANGE (event_id);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY,
    consumer text NOT NULL,
    key text NOT NULL,
    event_id uuid,
    type text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    headers jsonb NOT NULL,
    value bytea NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    parked_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamp with time zone,
    digest bytea NOT NULL GENERATED ALWAYS AS (sha256(value)) STORED,
    CONSTRAINT pk_dead_letters PRIMARY KEY (id),
    CONSTRAINT ck_dead_letters_state_known CHECK (state IN ('culprit', 'queued', 'stray'))
);
CREATE INDEX ix_dead_letters_waiting ON dead_letters (consumer, key, id) WHERE settled_at IS NULL;
CREATE UNIQUE INDEX uq_dead_letters_event ON dead_letters (consumer, event_id) WHERE state <> 'stray';
CREATE UNIQUE INDEX uq_dead_letters_stray ON dead_letters (consumer, topic, partition, "offset", digest)
    WHERE state = 'stray';

CREATE TABLE key_holds (
    consumer text NOT NULL,
    key text NOT NULL,
    held_since timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_key_holds PRIMARY KEY (consumer, key)
);

CREATE TABLE dbz_heartbeat (
    id bigint GENERATED ALWAYS AS IDENTITY,
    ts timestamp with time zone NOT NULL,
    CONSTRAINT pk_dbz_heartbeat PRIMARY KEY (id)
);
"""

# A UUIDv7 begins with its time in milliseconds, so a day of ids is a range of ids. The inbox reaches
# back as far as topics keep their events. Made apart and attached, which blocks no writer. Runs as
# its owner: whoever works on the database may make days, and nothing else.
_MAKE_PARTITIONS = """
CREATE FUNCTION first_id_of(day date) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT (lpad(to_hex((extract(epoch FROM day::timestamp) * 1000)::bigint), 12, '0')
            || '00000000000000000000')::uuid
$$;

CREATE FUNCTION make_partitions(days_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    parent text;
    day date;
    name text;
    made integer := 0;
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
BEGIN
    IF days_ahead NOT BETWEEN 1 AND 60 THEN
        RAISE EXCEPTION 'days_ahead must be between 1 and 60, not %', days_ahead;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('make_partitions'));
    FOR parent, day IN
        SELECT 'outbox', generate_series(today - 1, today + days_ahead, '1 day')::date
        UNION ALL
        SELECT 'inbox', generate_series(today - 8, today + days_ahead, '1 day')::date
    LOOP
        name := parent || '_p' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       parent, name, first_id_of(day), first_id_of(day + 1));
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION make_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions(integer) TO {app};
SELECT make_partitions(8);
"""

_GRANTS = """
GRANT INSERT, SELECT (id) ON outbox TO {app};
GRANT INSERT, SELECT ON inbox TO {app};
GRANT INSERT, SELECT, UPDATE ON dead_letters TO {app};
GRANT INSERT, SELECT, UPDATE, DELETE ON key_holds TO {app};
GRANT SELECT ON outbox, outbox_replay TO {relay};
GRANT SELECT, INSERT, DELETE ON dbz_heartbeat TO {relay};
GRANT INSERT ON outbox_replay TO {repair};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO auditor;
"""

# Inserts only: nothing else is an event, so dropping a partition sends nothing either.
_PUBLICATION = """
CREATE PUBLICATION {publication} FOR TABLE outbox, outbox_replay, dbz_heartbeat
    WITH (publish = 'insert', publish_via_partition_root = true);
"""

_DOWN = """
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM auditor;
DROP PUBLICATION {publication};
DROP FUNCTION make_partitions(integer);
DROP FUNCTION first_id_of(date);
DROP TABLE outbox, outbox_replay, inbox, dead_letters, key_holds, dbz_heartbeat;
"""


def create_mechanism(service: Service, topics: Sequence[str]) -> None:
    """Tables, partitions, grants and publication of one service's database, which writes to `topics`."""
    topics_sql = ", ".join(f"'{topic}'" for topic in topics)
    op.execute(
        _TABLES.format(
            event_columns=_EVENT_COLUMNS,
            outbox_checks=_EVENT_CHECKS.format(table="outbox", topics=topics_sql),
            replay_checks=_EVENT_CHECKS.format(table="outbox_replay", topics=topics_sql),
        )
    )
    roles = {duty: service.role(duty) for duty in ("app", "relay", "repair")}
    op.execute(_MAKE_PARTITIONS.format(**roles))
    op.execute(_GRANTS.format(**roles))
    op.execute(_PUBLICATION.format(publication=service.publication))


def drop_mechanism(service: Service) -> None:
    op.execute(_DOWN.format(publication=service.publication))
