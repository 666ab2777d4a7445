"""What the database says of a relay, asked as the auditor: who may look and change nothing."""

from contextlib import closing

import pytest
from sqlalchemy import create_engine, text

from connect import progress, sql
from connect.doctor import PUBLISHED
from contracts.services import AUDITOR_ROLE, ORDER
from runtime.waiting import until


@pytest.fixture
def auditor(databases, migrated):
    """The auditor's connection to the order service's database."""
    _, secrets = migrated
    password = (secrets / AUDITOR_ROLE).read_text().strip()
    engine = create_engine(databases.admin("order").set(username=AUDITOR_ROLE, password=password))
    with closing(engine.connect()) as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def superuser(databases):
    """A superuser's connection; the slot that a test makes goes with it."""
    engine = create_engine(databases.admin("order"), isolation_level="AUTOCOMMIT")
    with closing(engine.connect()) as connection:
        yield connection
        connection.execute(sql.DROP_SLOT, {"slot": ORDER.slot})
    engine.dispose()


def test_a_slot_that_is_not_there_is_seen_as_such(auditor):
    sight = progress.look(auditor, ORDER)

    assert (sight.wal_status, sight.flushed, sight.is_usable) == (None, None, False)
    assert sight.written > 0


def test_a_slot_that_nobody_reads_stands_still_while_wal_grows(auditor, superuser):
    superuser.execute(sql.CREATE_SLOT, {"slot": ORDER.slot})
    before = progress.look(auditor, ORDER)

    superuser.execute(text("SELECT pg_logical_emit_message(false, 'a-test', 'x', true)"))
    after = progress.look(auditor, ORDER)

    assert (before.wal_status, before.active, before.is_usable) == ("reserved", False, True)
    assert after.flushed == before.flushed
    assert after.written > before.written
    assert after.retained > 0


def test_the_age_of_a_heartbeat_is_told_by_the_databases_clock(auditor, superuser):
    assert progress.look(auditor, ORDER).beat_age is None

    superuser.execute(text("INSERT INTO dbz_heartbeat (ts) VALUES (clock_timestamp() - interval '1 min')"))

    assert 60 <= progress.look(auditor, ORDER).beat_age < 70


def test_dropping_a_slot_that_is_gone_is_nothing(superuser):
    superuser.execute(sql.CREATE_SLOT, {"slot": ORDER.slot})

    for _ in range(2):
        superuser.execute(sql.DROP_SLOT, {"slot": ORDER.slot})


def test_one_recovery_at_a_time(databases):
    engines = [create_engine(databases.admin("order"), isolation_level="AUTOCOMMIT") for _ in range(2)]
    first, second = (engine.connect() for engine in engines)

    taken = [connection.execute(sql.TRY_TO_RECOVER).scalar_one() for connection in (first, second)]
    first.close()
    engines[0].dispose()

    assert taken == [True, False]
    # The server lets go a moment after the connection is closed.
    until(lambda: second.execute(sql.TRY_TO_RECOVER).scalar_one(), within_seconds=10, what="its turn")
    second.close()
    engines[1].dispose()


def test_the_publication_holds_what_the_doctor_asks_for(auditor):
    tables = auditor.execute(sql.PUBLISHED_TABLES, {"publication": ORDER.publication}).scalars().all()

    assert set(tables) == PUBLISHED


def test_what_slots_may_hold_back_is_told_in_bytes(auditor):
    assert auditor.execute(sql.KEEP_BYTES).scalar_one() == -1


def test_rows_are_counted_by_topic_without_the_newest(auditor, superuser):
    row = (
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, topic, sequence, source, created_at)"
        " VALUES ('order', '1', 't', '{}', 'order-created', 1, '/order', clock_timestamp() - interval '%s')"
    )
    for age in ("1 min", "1 min", "1 s"):
        superuser.execute(text(row % age))

    assert auditor.execute(sql.ROWS_BY_TOPIC).fetchall() == [("order-created", 2)]
