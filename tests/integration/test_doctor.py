"""What the doctor reads in a real Postgres: sound after the migrations, and each change of it is seen."""

from dataclasses import fields, replace

import pytest
from alembic import command
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from contracts.services import AUDITOR_ROLE, ORDER, SERVICE, SERVICES
from doctor import ask_postgres, histories, postgres
from doctor import databases as examination
from doctor.facts import Facts, Silence
from doctor.gather import SETTINGS
from migrations.database import OWNERS
from stack.doctor import wanted
from stack.postgres import NOT_DURABLE

NOTHING = Facts(**{field.name: Silence(field.name, "not asked") for field in fields(Facts)})
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@pytest.fixture
def superuser(databases):
    """A function that runs a statement in the order service's database as superuser."""
    engine = create_engine(databases.admin("order"), isolation_level="AUTOCOMMIT")

    def run(statement):
        with engine.connect() as connection:
            connection.execute(text(statement))

    yield run
    engine.dispose()


def look_at(service, copies):
    """What is found in a service's database, seen as the auditor."""
    seen = ask_postgres.database(copies.url(service.name, "auditor"), service)
    facts = replace(NOTHING, databases={service.name: seen}, revisions={})
    return [finding.what for finding in examination.examine(facts, wanted())]


def look_at_server(copies):
    """What is found of the whole cluster, seen as the auditor."""
    seen = ask_postgres.server(copies.url("order", "auditor"), {*wanted().postgres, *SETTINGS})
    return [
        f"{finding.subject}: {finding.what}"
        for finding in postgres.examine(replace(NOTHING, server=seen), wanted())
    ]


@each_service
def test_after_the_migrations_a_database_is_sound(service, databases):
    assert look_at(service, databases) == []


@each_service
def test_rights_are_exactly_those_that_migrations_grant(service, databases):
    """Neither a grant that is read wrongly out of a migration nor one that is not read stays unseen."""
    seen = ask_postgres.database(databases.url(service.name, "auditor"), service)
    wanted_rights = histories.grants(service)
    named = {right for right in wanted_rights if right.object != histories.EVERY_TABLE}
    on_every_table = {
        right for right in seen.grants if right.role == AUDITOR_ROLE and right.object in seen.tables
    }

    assert named <= seen.grants
    assert {right.object for right in on_every_table} == seen.tables
    assert {right.privilege for right in on_every_table} == {"SELECT"}
    assert seen.grants - on_every_table == named


CASES = {
    "GRANT UPDATE ON outbox TO order_app": "order_app has UPDATE on outbox",
    "GRANT UPDATE (topic) ON outbox TO order_app": "order_app has UPDATE (topic) on outbox",
    "GRANT DELETE ON inbox TO PUBLIC": "PUBLIC has DELETE on inbox",
    "GRANT SELECT ON orders TO order_relay": "order_relay has SELECT on orders",
    "GRANT CREATE ON SCHEMA public TO order_app": "order_app has CREATE on schema public",
    "GRANT CONNECT ON DATABASE orders_of_a_test TO payment_app": "payment_app has CONNECT on database orders",
    "GRANT EXECUTE ON FUNCTION drop_partition(text, bigint) TO PUBLIC": "PUBLIC has EXECUTE on drop_part",
    "REVOKE INSERT ON outbox FROM order_app": "order_app lacks INSERT on outbox",
    "REVOKE SELECT ON outbox_replay FROM order_relay": "order_relay lacks SELECT on outbox_replay",
    "REVOKE SELECT ON sagas FROM auditor": "auditor lacks SELECT on sagas",
    "ALTER TABLE orders OWNER TO order_app": "orders belongs to order_app, not to order_migrator",
    "ALTER PUBLICATION order_outbox ADD TABLE orders": "publication order_outbox holds orders besides",
    "ALTER PUBLICATION order_outbox SET (publish = 'insert, delete')": (
        "publication order_outbox sends delete, insert, not inserts alone"
    ),
    "ALTER PUBLICATION order_outbox SET (publish_via_partition_root = false)": (
        "publication order_outbox tells days, not the tables that they are of"
    ),
    "ALTER PUBLICATION order_outbox SET TABLE outbox WHERE (topic <> 'x'), outbox_replay, dbz_heartbeat": (
        "publication order_outbox leaves out rows or columns of outbox"
    ),
    "ALTER PUBLICATION order_outbox SET TABLE outbox (id, topic), outbox_replay, dbz_heartbeat": (
        "publication order_outbox leaves out rows or columns of outbox"
    ),
    "DROP PUBLICATION order_outbox": "publication order_outbox is not there",
    "ALTER TABLE outbox REPLICA IDENTITY FULL": "outbox: replica identity f",
    "CREATE RULE mine AS ON DELETE TO outbox_replay DO INSTEAD NOTHING": "outbox_replay: rule mine",
    "CREATE TRIGGER mine BEFORE INSERT ON outbox FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()": "outbox: trigger mine",
    "ALTER TABLE outbox_replay SET UNLOGGED": "outbox_replay: unlogged",
    "ALTER TABLE inbox ENABLE ROW LEVEL SECURITY": "inbox: row security",
}


@pytest.mark.parametrize("statement", CASES)
def test_each_change_of_a_database_is_found(statement, superuser, databases):
    if "UNLOGGED" in statement:
        superuser("ALTER PUBLICATION order_outbox DROP TABLE outbox_replay")

    superuser(statement)

    found = look_at(ORDER, databases)
    assert any(what.startswith(CASES[statement]) for what in found), found


def test_a_remedy_puts_right_what_it_is_told_for(superuser, databases):
    superuser("GRANT UPDATE (topic) ON outbox TO order_app")
    superuser("REVOKE SELECT (id) ON outbox FROM order_app")
    superuser("ALTER PUBLICATION order_outbox ADD TABLE orders")
    superuser("ALTER TABLE outbox REPLICA IDENTITY FULL")

    for remedy in remedies(databases):
        superuser(remedy)

    assert look_at(ORDER, databases) == []


def remedies(copies):
    seen = ask_postgres.database(copies.url("order", "auditor"), ORDER)
    facts = replace(NOTHING, databases={"order": seen}, revisions={})
    told = [finding.remedy for finding in examination.examine(facts, wanted())]
    assert all(remedy.startswith("psql -d orders -c ") for remedy in told)
    return [remedy.removeprefix("psql -d orders -c ")[1:-1] for remedy in told]


def test_a_day_that_is_gone_is_missed(superuser, databases):
    superuser(
        "DO $$ BEGIN EXECUTE 'DROP TABLE outbox_p' || to_char(now() AT TIME ZONE 'UTC' + interval '1 day',"
        " 'YYYYMMDD'); END $$"
    )

    [told] = look_at(ORDER, databases)

    assert told.startswith("outbox has no place for rows of 20")


def test_the_server_of_tests_is_found_to_keep_nothing(databases):
    """It runs without fsync and with WAL without bound: nothing else is amiss, and its clock is ours."""
    seen = ask_postgres.server(databases.url("order", "auditor"), {*wanted().postgres, *SETTINGS})

    assert sorted(look_at_server(databases)) == sorted(
        [f"postgres: {name} is {value}, not on" for name, value in NOT_DURABLE.items()]
        + ["postgres: max_slot_wal_keep_size has no bound"]
    )
    assert abs(seen.clock_ahead) < 1


ROLES = {
    ("ALTER ROLE order_app SET synchronous_commit = off", "ALTER ROLE order_app RESET synchronous_commit"): (
        "order_app: synchronous_commit is set to off"
    ),
    (
        "ALTER ROLE order_app IN DATABASE orders SET synchronous_commit = off",
        "ALTER ROLE order_app IN DATABASE orders RESET synchronous_commit",
    ): "order_app: synchronous_commit is set to off",
    (
        "ALTER DATABASE orders SET synchronous_commit = off",
        "ALTER DATABASE orders RESET synchronous_commit",
    ): "orders: synchronous_commit is set to off",
    (
        "ALTER ROLE order_app SUPERUSER",
        "ALTER ROLE order_app NOSUPERUSER",
    ): "order_app: the role has SUPERUSER",
    ("ALTER ROLE order_relay NOREPLICATION", "ALTER ROLE order_relay REPLICATION"): (
        "order_relay: the role lacks REPLICATION"
    ),
    ("GRANT order_migrator TO order_app", "REVOKE order_migrator FROM order_app"): (
        "order_app: the role is a member of order_migrator"
    ),
    ("CREATE ROLE spy REPLICATION", "DROP ROLE spy"): "spy: a role that is not ours may replicate",
}


@pytest.mark.parametrize(("statement", "undo"), ROLES)
def test_each_change_of_a_role_is_found(statement, undo, superuser, databases):
    superuser(statement)
    try:
        found = look_at_server(databases)
    finally:
        superuser(undo)

    assert any(told.startswith(ROLES[statement, undo]) for told in found), found


@pytest.mark.parametrize("room", OWNERS)
def test_a_database_tells_the_revision_of_its_history(room, databases):
    assert ask_postgres.revision(databases.url(room, "migrator")) == histories.revisions(room)[-1]


def test_a_history_that_was_not_begun_or_not_ended_is_told(migrate, databases):
    migrate("order", command.downgrade, "0002")
    half = ask_postgres.revision(databases.url("order", "migrator"))
    migrate("order", command.downgrade, "base")
    none = ask_postgres.revision(databases.url("order", "migrator"))

    assert (half, none) == ("0002", "")


def test_the_doctor_cannot_write(databases):
    with (
        ask_postgres.reading(databases.url("order")) as connection,
        pytest.raises(SQLAlchemyError, match="read-only transaction"),
    ):
        connection.execute(text("INSERT INTO inbox DEFAULT VALUES"))


def test_slots_of_others_are_counted(superuser, databases):
    superuser("SELECT pg_create_logical_replication_slot('of_another', 'pgoutput')")
    try:
        seen = ask_postgres.server(databases.url("order", "auditor"), wanted().postgres)
    finally:
        superuser("SELECT pg_drop_replication_slot('of_another')")

    assert seen.foreign_slots == 1
    assert SERVICE["order"].slot != "of_another"
