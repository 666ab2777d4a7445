"""Days of outbox and inbox go when everybody has seen them, and not before, whoever asks."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from audit import retention
from audit.retention import Retention
from contracts.services import AUDIT, SERVICES

TODAY = datetime.now(UTC).date()
OLD = TODAY - timedelta(days=12)
NAMES = {f"{service.name}.{table}_p{OLD:%Y%m%d}" for service in SERVICES for table in ("inbox", "outbox")}
ROWS = 3
EVENT = """
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, topic, sequence, source)
    VALUES (:id, 'order', 'a-key', 'a.type', '{}', 'relay-canary', :sequence, '/order')
"""


def id_of(day, number=0):
    """An id as uuidv7() would have made it on that day."""
    milliseconds = int(datetime(day.year, day.month, day.day, 9, tzinfo=UTC).timestamp() * 1000)
    return UUID(f"{milliseconds:012x}7{number:03x}8{0:015x}")


class Past:
    """Databases with an old day in them that the auditor has met every event of."""

    def __init__(self, databases, engine_of):
        self.databases, self.engine_of = databases, engine_of
        self.audit = engine_of(AUDIT.name, "auditor")
        for service in SERVICES:
            for table in ("outbox", "inbox"):
                self.owner(
                    service.name,
                    f"CREATE TABLE {table}_p{OLD:%Y%m%d} PARTITION OF {table}"
                    f" FOR VALUES FROM (first_id_of('{OLD}')) TO (first_id_of('{OLD + timedelta(days=1)}'))",
                )
        with engine_of("order").begin() as connection:
            for number in range(ROWS):
                connection.execute(text(EVENT), {"id": id_of(OLD, number), "sequence": number + 1})
        self.note(
            "INSERT INTO days (service, day, written) VALUES ('order', :day, :rows)", day=OLD, rows=ROWS
        )
        self.tell(ago=0)

    def tell(self, ago):
        self.note(
            "INSERT INTO report (id, began_at, body) VALUES"
            " (1, clock_timestamp() - make_interval(secs => :ago), CAST(:body AS jsonb))"
            " ON CONFLICT (id) DO UPDATE SET began_at = excluded.began_at",
            ago=ago,
            body=json.dumps({"verdict": "green", "reasons": []}),
        )

    def note(self, statement, **values):
        with self.audit.begin() as connection:
            connection.execute(text(statement), values)

    def owner(self, service, statement, **values):
        engine = create_engine(self.databases.url(service, "migrator"))
        with engine.begin() as connection:
            connection.execute(text(statement), values)
        engine.dispose()

    def records(self):
        with self.audit.connect() as connection:
            return list(connection.execute(text("SELECT event_id FROM records")).scalars())

    def look(self):
        return set(Retention(self.audit, {s: self.engine_of(s.name, "retention") for s in SERVICES}).look())


@pytest.fixture
def past(databases, engine_of):
    return Past(databases, engine_of)


def test_a_day_goes_that_the_auditor_has_met_and_no_other(past):
    assert past.look() == NAMES
    assert past.look() == set()


RECORD = (
    'INSERT INTO records (event_id, topic, partition, "offset", key, sequence, source, digest, appended_at)'
    " VALUES (:id, 'relay-canary', 0, 1, 'a-key', 1, '/order', '', clock_timestamp() - interval '12 days')"
)


def test_its_records_are_forgotten_with_it(past, monkeypatch):
    monkeypatch.setattr(retention, "_FORGOTTEN_AT_ONCE", 2)
    for number in range(5):
        past.note(RECORD, id=id_of(OLD, number))
    past.note(RECORD, id=id_of(TODAY))

    past.look()

    assert past.records() == [id_of(TODAY)]


def test_records_of_a_day_that_has_gone_before_are_forgotten_too(past):
    """Whoever dropped it did not come that far."""
    past.look()
    past.note(RECORD, id=id_of(OLD))

    assert past.look() == set()
    assert past.records() == []


def test_records_stay_with_a_day_that_must_stay(past):
    past.note(RECORD, id=id_of(OLD))
    past.note("UPDATE days SET written = written - 1")

    past.look()

    assert past.records() == [id_of(OLD)]


AWAITED = (
    "INSERT INTO awaited (event_id, service, topic, key, sequence, digest, noted_lsn)"
    " VALUES (:id, 'order', 'relay-canary', 'a-key', 1, '', 1)"
)
UNREAD = (
    'INSERT INTO unread (event_id, consumer, topic, partition, "offset", key)'
    " VALUES (:id, 'payment', 'payment-commands', 0, 1, 'a-key')"
)
FINDING = (
    "INSERT INTO findings (kind, subject, detail)"
    " VALUES ('repeated', 'x', jsonb_build_object('event_id', CAST(:id AS text)))"
)


@pytest.mark.parametrize("statement", [AWAITED, UNREAD, FINDING], ids=["awaited", "unread", "finding"])
def test_it_stays_while_the_auditor_has_something_to_say_of_it(past, statement):
    past.note(statement, id=id_of(OLD, 1))

    assert past.look() == set()


def test_it_stays_while_the_auditor_is_silent(past):
    past.tell(ago=3600)

    assert past.look() == set()


def test_an_outbox_with_a_row_that_the_auditor_has_not_counted_stays(past):
    past.note("UPDATE days SET written = written - 1")

    assert past.look() == NAMES - {f"order.outbox_p{OLD:%Y%m%d}"}


LETTER = (
    'INSERT INTO dead_letters (consumer, key, event_id, type, topic, partition, "offset", headers, value,'
    " state, reason) VALUES"
    " ('payment', 'a-key', :id, 't', 'payment-commands', 0, 1, '{}', '', 'culprit', 'r')"
)
SETTLED = "UPDATE dead_letters SET settled_at = now(), outcome = 'redriven'"


def test_a_day_stays_while_a_dead_letter_of_it_waits_in_any_service(past):
    """The order service wrote it; the payment service has claimed it, so that it counts as seen."""
    past.owner("payment", LETTER, id=id_of(OLD))

    with capture_logs() as told:
        assert past.look() == set()
    assert {each["service"]: each["reasons"] for each in told} == {
        service.name: ["dead letters of it wait in payment: 1"] for service in SERVICES
    }

    past.owner("payment", SETTLED)
    assert past.look() == NAMES


def test_a_dead_letter_of_another_day_keeps_none(past):
    past.owner("payment", LETTER, id=id_of(OLD + timedelta(days=1)))

    assert past.look() == NAMES


def test_the_database_keeps_a_day_of_which_it_has_a_letter_itself(past):
    past.owner("payment", LETTER, id=id_of(OLD))

    with pytest.raises(Exception, match="a dead letter that waits"):
        drop(past, "payment", f"outbox_p{OLD:%Y%m%d}")


def test_retention_sees_of_letters_nothing_but_their_day(past):
    with (
        pytest.raises(Exception, match="permission denied"),
        past.engine_of("payment", "retention").begin() as connection,
    ):
        connection.execute(text("SELECT value FROM dead_letters"))


def drop(past, service, name, rows=0, duty="retention"):
    with past.engine_of(service, duty).begin() as connection:
        connection.execute(text("SELECT drop_partition(:name, :rows)"), {"name": name, "rows": rows})


def test_who_writes_into_the_day_is_waited_for_briefly(past):
    with past.engine_of("order").connect() as writer:
        writer.execute(text(EVENT), {"id": id_of(OLD, 99), "sequence": 99})

        with pytest.raises(Exception, match="lock timeout"):
            drop(past, "order", f"outbox_p{OLD:%Y%m%d}", ROWS)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (f"outbox_p{TODAY:%Y%m%d}", "younger"),
        (f"inbox_p{TODAY + timedelta(days=2):%Y%m%d}", "younger"),
        ("orders", "no partition"),
        ("outbox", "no partition"),
        ("outbox; DROP TABLE orders", "no partition"),
        ("nothing_p20200101", "no partition"),
    ],
)
def test_the_database_refuses_what_is_no_old_day(past, name, problem):
    with pytest.raises(Exception, match=problem):
        drop(past, "order", name)


def test_nobody_else_may_drop_a_day(past):
    with pytest.raises(Exception, match="permission denied"):
        drop(past, "order", f"outbox_p{OLD:%Y%m%d}", ROWS, duty="app")
    with (
        pytest.raises(Exception, match=r"must be owner|permission denied"),
        past.engine_of("order", "retention").begin() as connection,
    ):
        connection.execute(text(f"DROP TABLE outbox_p{OLD:%Y%m%d}"))


def test_days_do_not_pile_up(past):
    """As time goes by, workers make the days ahead and retention takes those behind."""
    for back in range(13, 30):
        day = TODAY - timedelta(days=back)
        past.owner(
            "order",
            f"CREATE TABLE inbox_p{day:%Y%m%d} PARTITION OF inbox"
            f" FOR VALUES FROM (first_id_of('{day}')) TO (first_id_of('{day + timedelta(days=1)}'))",
        )

    past.look()

    with past.engine_of("order").connect() as connection:
        connection.execute(text("SELECT make_partitions(8)"))
        count = text("SELECT count(*) FROM pg_inherits WHERE inhparent = CAST(:parent AS regclass)")
        left = {p: connection.execute(count, {"parent": p}).scalar_one() for p in ("outbox", "inbox")}
    assert left == {"outbox": 1 + 1 + 8, "inbox": 8 + 1 + 8}
