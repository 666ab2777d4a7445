"""What is read in real databases, as the auditor: each thing that waits is seen, and what is away says so."""

import socket
import threading
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import create_engine, text

from connect import sql as connect_sql
from contracts.services import ORDER, PAYMENT, SERVICES
from doctor.facts import Silence
from messaging import dead_letters
from monitor import gather, sql
from monitor.exporter import Exporter
from monitor.gather import Access, Reader
from monitor.readings import Waiting
from order.app import create_app
from runtime.database import connect_engine
from tests.auditing import AuditedSystem
from tests.builders import a_delivery, captured, charge

COMMANDS = ("order", "payment-commands")
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def access(databases):
    return Access(
        audit=databases.url("audit", "auditor"),
        databases={service: databases.url(service.name, "auditor") for service in SERVICES},
        connect_urls=(f"http://{NOWHERE}",),
        servers=(NOWHERE,),
    )


@pytest.fixture
def look(access):
    """A function that takes readings once."""
    with closing(Reader(access, "test")) as reader:
        yield reader.take


@pytest.fixture
def audited(engine_of, databases):
    with closing(AuditedSystem(engine_of, databases)) as system:
        yield system


@pytest.fixture
def order(client_of):
    """A function that places an order."""
    client = client_of(create_app, "order")
    return lambda: client.post("/orders", json={"items": [{"sku": "PIZZA", "quantity": 1}]}).get_json()


@pytest.fixture
def owner(engine_of):
    """A function that runs a statement in a service's database as its owner."""

    def run(service, statement, **values):
        with engine_of(service, "migrator").begin() as connection:
            connection.execute(text(statement), values)

    return run


@pytest.fixture
def superuser(databases):
    """A function that runs a statement as superuser in the order service's database."""
    engine = create_engine(databases.admin("order"), isolation_level="AUTOCOMMIT")
    with closing(engine.connect()) as connection:
        yield lambda statement: connection.execute(text(statement))
        connection.execute(connect_sql.DROP_SLOT, {"slot": ORDER.slot})
        connection.execute(text("ALTER SYSTEM RESET max_slot_wal_keep_size"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()


# ── nothing waits


def test_in_a_system_in_which_nothing_happened_everything_is_nothing(look):
    told = look()

    assert set(told.audit.awaited.values()) | set(told.audit.unread.values()) == {Waiting()}
    assert told.audit.awaited.keys() >= {COMMANDS, ("payment", "payment-success")}
    assert told.audit.unread.keys() >= {("payment", "payment-commands"), ("order", "stock-reserved")}
    assert told.sagas.by_status == dict.fromkeys(("RUNNING", "COMPENSATING", "NEEDS_ATTENTION"), Waiting())
    assert set(told.intents.values()) == {Waiting()}
    for database in told.databases.values():
        assert (database.slot, database.beat_seconds, database.days_ahead) == (None, None, 8)
        assert set(database.dead_letters.values()) == {Waiting()}
    assert (told.audit.verdict, told.audit.age_seconds, told.audit.invariants) == ("grey", None, {})


# ── what the auditor knows


def test_what_no_relay_has_brought_is_awaited_since_it_was_written(look, audited):
    audited.events(3)
    audited.round(passed=False)
    audited.do("audit", "UPDATE awaited SET noted_at = noted_at - interval '1 minute'")

    waiting = look().audit.awaited[COMMANDS]

    assert waiting.count == 3
    assert 60 <= waiting.oldest_seconds < 120


def test_what_no_consumer_has_handled_is_unread(look, audited):
    audited.round(audited.records(audited.events(2)))

    told = look().audit

    assert told.awaited[COMMANDS] == Waiting()
    assert told.unread[("payment", "payment-commands")].count == 2


def test_the_newest_verdict_is_told_with_each_invariant(look, audited):
    audited.settled(audited.events(3))
    good = look().audit
    audited.events(1)
    audited.round()
    audited.round()
    bad = look().audit

    assert (good.verdict, good.checked, set(good.invariants.values())) == ("green", 3, {True})
    assert good.age_seconds < 20
    assert (bad.verdict, bad.invariants["S4"], bad.invariants["S5"]) == ("red", False, True)
    assert (bad.findings["lost"], bad.findings["phantom"]) == (1, 0)


def test_a_verdict_that_is_too_old_is_grey(look, audited):
    audited.settled(audited.events(1))
    audited.do("audit", "UPDATE report SET began_at = began_at - interval '1 minute'")

    told = look().audit

    assert told.verdict == "grey"
    assert 60 <= told.age_seconds < 120


# ── relays


def test_a_slot_is_told_with_what_it_holds_back_and_what_it_may(look, superuser):
    superuser("ALTER SYSTEM SET max_slot_wal_keep_size = '512MB'")
    superuser("SELECT pg_reload_conf()")
    superuser(f"SELECT pg_create_logical_replication_slot('{ORDER.slot}', 'pgoutput')")
    before = look().databases["order"].slot
    superuser("SELECT pg_logical_emit_message(false, 'a-test', repeat('x', 100000), true)")
    slot = look().databases["order"].slot

    assert (slot.active, slot.wal_status) == (False, "reserved")
    assert slot.lag_bytes - before.lag_bytes >= 100_000
    assert slot.retained_bytes >= slot.lag_bytes
    assert slot.keep_bytes == 512 << 20
    assert slot.safe_bytes > 0


def test_a_slot_without_a_bound_is_told_as_such(look, superuser):
    superuser(f"SELECT pg_create_logical_replication_slot('{ORDER.slot}', 'pgoutput')")

    slot = look().databases["order"].slot

    assert (slot.keep_bytes, slot.safe_bytes, slot.seconds_to_full) == (None, None, None)


def test_beats_are_told_where_they_are_written_and_where_they_arrive(look, owner):
    owner("order", "INSERT INTO dbz_heartbeat (ts) VALUES (clock_timestamp() - interval '1 min')")
    owner(
        "order",
        "INSERT INTO relay_heartbeats (relay, seen_at, steady_since)"
        " SELECT 'a-relay', now - interval '90 s', now - interval '1 h' FROM clock_timestamp() AS now",
    )

    told = look()

    assert 60 <= told.databases["order"].beat_seconds < 80
    assert 90 <= told.sagas.heard_seconds["a-relay"] < 110


# ── what waits in the services


def test_sagas_are_told_by_where_they_are_and_what_they_wait_for(look, order, owner):
    for _ in range(3):
        order()
    owner(
        "order",
        "UPDATE sagas SET status = 'NEEDS_ATTENTION', due_at = NULL, updated_at = now() - interval '1 min'"
        " WHERE id = (SELECT min(id::text)::uuid FROM sagas)",
    )
    owner("order", "UPDATE sagas SET due_at = now() - interval '1 h' WHERE due_at IS NOT NULL")

    sagas = look().sagas

    assert sagas.by_status["RUNNING"].count == 2
    assert sagas.by_step[("RUNNING", "charge")].count == sagas.by_step[("RUNNING", "reserve")].count == 2
    assert sagas.needing_attention.count == 1
    assert 60 <= sagas.needing_attention.oldest_seconds < 80
    assert 3600 <= sagas.overdue_seconds < 3700


def test_a_deadline_that_is_still_to_come_is_not_overdue(look, order):
    order()

    assert look().sagas.overdue_seconds == 0


def test_dead_letters_are_told_by_what_failed(look, engine_of, owner):
    culprits = [a_delivery(captured(key)) for key in map(charge_id, range(2))]
    with engine_of("order").begin() as connection:
        for delivery in culprits:
            dead_letters.park_culprit(connection, "order", delivery, "ValueError: of this message, at length")
        dead_letters.queue_behind(connection, "order", [a_delivery(captured(charge_id(0)))])
        dead_letters.park_stray(connection, "order", a_delivery(charge()), "the record carries no event id")
    owner("order", "UPDATE dead_letters SET parked_at = parked_at - interval '1 min' WHERE state = 'culprit'")
    settled = "UPDATE dead_letters SET settled_at = now(), outcome = 'redriven', settled_by = 'a', note = 'b'"
    owner("order", f"{settled} WHERE key = '{charge_id(1)}'")

    letters = look().databases["order"].dead_letters

    assert {kind: waiting.count for (_, kind), waiting in letters.items()} == {
        "ValueError": 1,
        "queued": 1,
        "stray": 1,
    }
    assert 60 <= letters[("order", "ValueError")].oldest_seconds < 80


def charge_id(number):
    """The id of one of a few orders."""
    return f"00000000-0000-7000-8000-{number:012d}"


def test_calls_to_the_gateway_are_told_by_what_is_known_of_them(look, cashier):
    cashier.receives(charge(), charge(), charge())
    ids = [row[0] for row in cashier.open_intents()]
    cashier.change(f"UPDATE payment_intents SET attempts = 1, leased_by = 'a' WHERE id = '{ids[0]}'")
    cashier.change(f"UPDATE payment_intents SET attempts = 3 WHERE id = '{ids[1]}'")

    intents = look().intents

    states = ("waiting", "leased", "unknown")
    assert [intents[("charge", state)].count for state in states] == [1, 1, 1]
    assert [intents[("refund", state)].count for state in states] == [0, 0, 0]


# ── what is away


def test_kafka_and_connect_that_are_away_are_told_and_keep_nobody_from_answering(look):
    told = look()

    assert isinstance(told.lag, Silence)
    assert (told.connect.workers, told.connect.connectors) == ({f"http://{NOWHERE}": False}, None)
    assert [silence.source for silence in told.silences()] == ["kafka"]
    assert told.seconds < gather.SECONDS_MAX


def test_one_database_that_is_away_is_told_and_the_others_are_read(access):
    away = {**access.databases, PAYMENT: access.databases[PAYMENT].set(port=1)}
    with closing(Reader(replace(access, databases=away), "test")) as reader:
        told = reader.take()

    assert {silence.source for silence in told.silences()} == {"kafka", "database payment", "intents"}
    assert told.databases["order"].days_ahead == 8


@contextmanager
def frozen_server():
    """A port that takes connections and never answers, and how many it has taken."""
    taken = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def take():
            while True:
                try:
                    taken.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield server.getsockname()[1], taken
    for connection, _ in taken:
        connection.close()


def test_a_database_that_is_frozen_is_waited_for_a_while_and_asked_once(access, monkeypatch):
    monkeypatch.setattr(gather, "SECONDS_MAX", 0.5)
    with frozen_server() as (port, taken):
        frozen = replace(access, audit=access.audit.set(port=port, host="127.0.0.1"))
        with closing(Reader(frozen, "test")) as reader:
            first, second = reader.take(), reader.take()

        assert len(taken) == 1
    for told in (first, second):
        assert told.seconds < 5
        assert "has not answered" in told.audit.why
        assert told.databases["order"].days_ahead == 8


def test_the_exporter_tells_what_is_read(access, audited):
    """Over the same way as Prometheus': one that is asked twice reads once."""
    audited.events(3)
    audited.round(passed=False)
    registry = CollectorRegistry()
    with closing(Reader(access, "test")) as reader:
        registry.register(Exporter(reader.take))
        first, second = (generate_latest(registry).decode() for _ in range(2))

    assert 'neverlost_outbox_awaited_events{service="order",topic="payment-commands"} 3.0' in first
    assert 'neverlost_source_up{source="kafka"} 0.0' in first
    assert first == second


# ── what it costs


def test_what_has_ended_is_not_read(databases, owner):
    """Of a long history only what is open is looked at: by the index that holds nothing else."""
    owner(
        "order",
        "INSERT INTO sagas (id, definition, version, fingerprint, status, awaits, steps)"
        " SELECT uuidv7(), 'order', 1, '', 'COMPLETED', '{}', '{}' FROM generate_series(1, 5000)",
    )
    wanted = {
        "order": [
            (sql.READ_STATUSES, ["ix_sagas_live"]),
            (sql.READ_STEPS, ["ix_sagas_live"]),
            (sql.READ_OVERDUE, ["ix_sagas_due"]),
            (sql.READ_LETTERS, ["ix_dead_letters_waiting"]),
        ],
        "payment": [(sql.READ_INTENTS, ["ix_payment_intents_due", "uq_payment_intents_open"])],
    }

    for service, statements in wanted.items():
        engine = connect_engine(databases.url(service, "auditor"), process="test", connections=1)
        with engine.connect() as connection:
            for statement, indexes in statements:
                plan = "\n".join(connection.execute(text(f"EXPLAIN {statement.text}")).scalars())
                assert "Seq Scan" not in plan
                assert any(index in plan for index in indexes), plan
        engine.dispose()
