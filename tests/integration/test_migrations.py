"""Four histories: one head each, up and down and up again, and models that equal the schema."""

import re

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from contracts.services import SERVICE, SERVICES
from contracts.topics import written_by
from migrations.__main__ import ROOT
from migrations.bootstrap import bootstrap
from migrations.database import OWNERS, admin_engine

names = pytest.mark.parametrize("service", [s.name for s in SERVICES])
histories = pytest.mark.parametrize("service", list(OWNERS))


@histories
def test_a_history_has_one_head(service):
    scripts = ScriptDirectory.from_config(Config(ROOT / "alembic.ini", ini_section=service))

    assert len(scripts.get_heads()) == 1


@histories
def test_down_leaves_nothing_and_up_works_again(service, migrate, databases):
    migrate(service, command.downgrade, "base")

    engine = create_engine(databases.admin(service))
    assert inspect(engine).get_table_names() == ["alembic_version"]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_publication")).scalar() == 0
    engine.dispose()

    migrate(service, command.upgrade, "head")
    migrate(service, command.check)


@histories
def test_the_models_are_the_schema(service, migrate):
    migrate(service, command.check)


def test_the_bootstrap_may_run_again(migrated):
    url, secrets = migrated
    before = (secrets / "order_app").read_text()
    admin = admin_engine(url)

    bootstrap(admin, secrets)

    admin.dispose()
    assert (secrets / "order_app").read_text() == before
    assert (secrets / "order_app").stat().st_mode & 0o777 == 0o600


@names
def test_the_publication_holds_inserts_of_the_three_relayed_tables(service, databases):
    engine = create_engine(databases.admin(service))
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_publication_tables")).scalars().all()
        kinds = connection.execute(
            text("SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_publication")
        ).one()
    engine.dispose()

    assert sorted(tables) == ["dbz_heartbeat", "outbox", "outbox_replay"]
    assert tuple(kinds) == (True, False, False, False, True)
    assert SERVICE[service].publication == f"{service}_outbox"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outbox SET topic = topic",
        "DELETE FROM outbox",
        "TRUNCATE outbox",
        "SELECT payload FROM outbox",
        "DELETE FROM inbox",
        "UPDATE inbox SET topic = topic",
        "CREATE TABLE mine (id int)",
        "INSERT INTO outbox_replay (id) VALUES (uuidv7())",
        "UPDATE stock_ledger SET on_hand = 0",
    ],
)
def test_the_application_may_not(statement, engine_of):
    with (
        pytest.raises(Exception, match="permission denied"),
        engine_of("inventory").begin() as connection,
    ):
        connection.execute(text(statement))


def test_a_service_may_not_reach_another_services_database(databases, migrated):
    url, secrets = migrated
    password = (secrets / "order_app").read_text().strip()
    engine = create_engine(url.set(username="order_app", password=password, database="payments"))

    with pytest.raises(Exception, match="permission denied for database"), engine.connect():
        pass


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("topic", "'payment-success'", "ck_outbox_topic_known"),
        ("aggregateid", "''", "ck_outbox_key_given"),
        ("sequence", "0", "ck_outbox_sequence_positive"),
        ("payload", "to_json(repeat('x', 262145))", "ck_outbox_payload_bounded"),
    ],
)
def test_the_outbox_refuses_what_the_relay_could_not_send(column, value, constraint, engine_of):
    values = {
        "aggregatetype": "'order'",
        "aggregateid": "'1'",
        "type": "'t'",
        "payload": "'{}'",
        "topic": "'order-created'",
        "sequence": "1",
        "source": "'/order'",
        column: value,
    }

    with pytest.raises(Exception, match=constraint), engine_of("order").begin() as connection:
        connection.execute(
            text(f"INSERT INTO outbox ({', '.join(values)}) VALUES ({', '.join(values.values())})")
        )


@names
def test_the_outbox_knows_the_topics_that_its_service_writes(service, databases):
    engine = create_engine(databases.admin(service))
    with engine.connect() as connection:
        checks = connection.execute(
            text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conname LIKE 'ck_outbox%topic_known'"
            )
        )
        known = [sorted(re.findall(r"'([a-z-]+)'", check)) for check in checks.scalars()]
    engine.dispose()

    assert sorted(written_by(service)) in known
    assert all(topics == sorted(written_by(service)) for topics in known)
