"""What every history makes so that old days can go: one owner's function, which looks for itself first.

`ALTER TABLE … DETACH PARTITION CONCURRENTLY` would lock less, but runs in no function, and whoever may run it
owns the table. So the partition is dropped, with a lock that is waited for briefly and taken briefly.
"""

from alembic import op

from contracts.services import Service
from contracts.topics import RETENTION_MS

# A day more than topics keep events, for clocks and for what was relayed late.
DAYS_KEPT = RETENTION_MS // (24 * 60 * 60 * 1000) + 1

# Under the partition's lock no transaction has written in it that has not ended, so what is counted stays.
_UP = """
CREATE FUNCTION drop_partition(name text, confirmed bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    parent text;
    day date;
    found bigint;
BEGIN
    SELECT above.relname INTO parent FROM pg_inherits
        JOIN pg_class below ON below.oid = inhrelid JOIN pg_class above ON above.oid = inhparent
        WHERE below.oid = to_regclass(quote_ident(name)) AND above.relname IN ('outbox', 'inbox');
    IF parent IS NULL THEN
        RAISE EXCEPTION '% is no partition of outbox or inbox', name;
    END IF;
    day := to_date(right(name, 8), 'YYYYMMDD');
    IF day >= (clock_timestamp() AT TIME ZONE 'UTC')::date - {days_kept} THEN
        RAISE EXCEPTION '% is younger than {days_kept} days', name;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    IF parent = 'outbox' THEN
        EXECUTE format('SELECT count(*) FROM %I', name) INTO found;
        IF found IS DISTINCT FROM confirmed THEN
            RAISE EXCEPTION '% has % rows, and % are confirmed', name, found, confirmed;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM dead_letters WHERE settled_at IS NULL
               AND event_id >= first_id_of(day) AND event_id < first_id_of(day + 1)) THEN
        RAISE EXCEPTION 'a dead letter that waits is of the day of %', name;
    END IF;
    EXECUTE format('DROP TABLE %I', name);
END
$$;
REVOKE ALL ON FUNCTION drop_partition(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_partition(text, bigint) TO {retention};
"""


def let_days_go(service: Service) -> None:
    """Let the service's retention role drop days that are past, and nothing else."""
    op.execute(_UP.format(days_kept=DAYS_KEPT, retention=service.role("retention")))


# An event of one service may wait as a dead letter in another's database, where its own function cannot look.
_SHOW = "GRANT SELECT (event_id, settled_at) ON dead_letters TO {retention}"
_HIDE = "REVOKE SELECT (event_id, settled_at) ON dead_letters FROM {retention}"


def show_letters(service: Service) -> None:
    """Let the service's retention role see of which days dead letters wait, and nothing of what they say."""
    op.execute(_SHOW.format(retention=service.role("retention")))


def hide_letters(service: Service) -> None:
    op.execute(_HIDE.format(retention=service.role("retention")))


def keep_days() -> None:
    op.execute("DROP FUNCTION drop_partition(text, bigint)")
