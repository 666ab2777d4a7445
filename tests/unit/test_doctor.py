"""Each thing that the promise rests on, broken alone, is found alone, with a reason and a remedy."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from connect import jars
from connect.doctor import Severity
from contracts.services import ORDER, SERVICES
from contracts.topics import ALL_TOPICS, read_by, watched_by
from doctor import histories, kafka, postgres, versions
from doctor.facts import (
    Broker,
    Cluster,
    Database,
    Facts,
    Grant,
    Group,
    Machine,
    Oddity,
    Override,
    Partition,
    Program,
    Role,
    Server,
    Silence,
    Transactions,
    Worker,
)
from doctor.report import examine
from messaging.partitions import DAYS_AHEAD
from migrations.bootstrap import roles
from migrations.database import OWNERS
from stack.doctor import doctor_command, wanted
from stack.errors import NotReady
from tests.unit.test_connect_doctor import facts as relay_facts

WANTED = wanted()
TODAY = date(2026, 3, 1)
DAYS = frozenset(TODAY + timedelta(days) for days in range(-1, DAYS_AHEAD + 1))
PLACES = {"SCHEMA", "DATABASE"}


def tables_of(service):
    """Those that somebody has a right on, and a day."""
    named = {each.object for each in histories.grants(service) if each.privilege != "EXECUTE"}
    return frozenset(named - PLACES - {histories.EVERY_TABLE} | {"outbox_p20260301"})


def grants_of(service):
    """As Postgres stores them: each table by its name, days too."""
    granted = histories.grants(service)
    spread = {each for each in granted if each.object == histories.EVERY_TABLE}
    return granted - spread | {each._replace(object=table) for each in spread for table in tables_of(service)}


def database_of(service):
    return Database(
        grants=grants_of(service),
        owned={},
        tables=tables_of(service),
        publication=histories.publication(service.name),
        oddities=frozenset(),
        days={"outbox": DAYS, "inbox": DAYS},
        today=TODAY,
    )


SERVER = Server(
    version=WANTED.postgres_major * postgres.MAJOR + 6,
    settings={**WANTED.postgres, "data_checksums": "on", "server_version": "18.6"},
    pending=frozenset(),
    slot_keep_mb=4096,
    foreign_slots=0,
    roles={name: Role(may_replicate="REPLICATION" in attributes) for name, attributes in roles()}
    | {"postgres": Role(is_superuser=True, may_replicate=True)},
    overrides=(),
    clock_ahead=0.001,
)
DATABASES = {service.name: database_of(service) for service in SERVICES}
BROKER = Broker(versions.numbers(versions.pinned("broker", "kafka-server"))[:2], WANTED.brokers)
INTERNAL = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
CLUSTER = Cluster(
    brokers=dict.fromkeys((1, 2, 3), BROKER),
    features=dict(kafka.FEATURES),
    partitions=tuple(
        Partition(name, 0, 1, 3, 3) for name in (*kafka.INTERNAL, *(topic.name for topic in ALL_TOPICS))
    ),
    internal=dict.fromkeys(kafka.INTERNAL, INTERNAL),
    groups={service.name: Group("STABLE", tuple(sorted(kafka.read_places(service)))) for service in SERVICES},
    transactions=Transactions(frozenset(f"neverlost-connect-{each.connector}-0" for each in SERVICES)),
)
DEBEZIUM = versions.pinned("debezium", "debezium-connector-postgres")
WORKER = Worker({"neverlost.OutboxConnector": DEBEZIUM}, {service.connector: {} for service in SERVICES})
JARS = {
    name: frozenset(jar.coordinates.file_name for jar in jars.listed() if jar.set_name == name)
    for name in ("broker", "connect")
}
MACHINE = Machine(
    programs={
        (kind, name): Program(17, JARS[kind])
        for kind, name in (("broker", "broker-1"), ("connect", "connect-1"))
    },
    free_mb={"/state": 50_000},
    packages={versions.KAFKA_CLIENT: versions.pinned_package(versions.KAFKA_CLIENT)},
)
FACTS = Facts(
    relays=relay_facts(),
    server=SERVER,
    databases=DATABASES,
    revisions={room: histories.revisions(room)[-1] for room in OWNERS},
    cluster=CLUSTER,
    clocks={1: -0.1, 2: -0.1, 3: -0.2},
    workers={"http://a": WORKER, "http://b": WORKER},
    machine=MACHINE,
)


def server(**changes):
    return {"server": replace(SERVER, **changes)}


def setting(name, value):
    return server(settings={**SERVER.settings, name: value})


def role(name, **changes):
    return server(roles={**SERVER.roles, name: replace(SERVER.roles[name], **changes)})


def override(*values):
    return server(overrides=(Override(*values),))


def database(**changes):
    return {"databases": {**DATABASES, "order": replace(DATABASES["order"], **changes)}}


def granted(*grant):
    return database(grants=DATABASES["order"].grants | {Grant(*grant)})


def revoked(*grant):
    assert Grant(*grant) in DATABASES["order"].grants
    return database(grants=DATABASES["order"].grants - {Grant(*grant)})


def published(**changes):
    return database(publication=replace(DATABASES["order"].publication, **changes))


def odd(*values):
    return database(oddities=frozenset({Oddity(*values)}))


def cluster(**changes):
    return {"cluster": replace(CLUSTER, **changes)}


def broker(name, value):
    other = replace(BROKER, settings={**BROKER.settings, name: value})
    return cluster(brokers={**CLUSTER.brokers, 2: other})


def internal(name, value):
    return cluster(internal={**CLUSTER.internal, "__transaction_state": {**INTERNAL, name: value}})


def partition(**changes):
    first, *others = CLUSTER.partitions
    return cluster(partitions=(*others, first._replace(**changes)))


def group(state, *places):
    return cluster(groups={**CLUSTER.groups, "payment": Group(state, places)})


def worker(**changes):
    return {"workers": {"http://a": WORKER, "http://b": replace(WORKER, **changes)}}


def machine(**changes):
    return {"machine": replace(MACHINE, **changes)}


def program(**changes):
    first = replace(MACHINE.programs["broker", "broker-1"], **changes)
    return machine(programs={**MACHINE.programs, ("broker", "broker-1"): first})


READ_BY_PAYMENT = CLUSTER.groups["payment"].assigned
ALARM, WARNING = Severity.ALARM, Severity.WARNING
CASES = {
    "old Postgres": (server(version=170_004), "PostgreSQL 17", ALARM),
    "new Postgres": (server(version=190_000), "PostgreSQL 19", WARNING),
    "fsync": (setting("fsync", "off"), "fsync is off", ALARM),
    "full_page_writes": (setting("full_page_writes", "off"), "full_page_writes is off", ALARM),
    "synchronous_commit": (setting("synchronous_commit", "off"), "synchronous_commit is off", ALARM),
    "wal_level": (setting("wal_level", "replica"), "wal_level is replica", ALARM),
    "idle slots": (setting("idle_replication_slot_timeout", "1min"), "timeout is 1min", WARNING),
    "waits for a restart": (server(pending=frozenset({"fsync"})), "from the next start on", WARNING),
    "WAL without bound": (server(slot_keep_mb=-1), "has no bound", WARNING),
    "no slot": (setting("max_replication_slots", "2"), "max_replication_slots is 2", ALARM),
    "few senders": (setting("max_wal_senders", "5"), "max_wal_senders is 5", WARNING),
    "slots of others": (
        server(foreign_slots=5, settings={**SERVER.settings, "max_wal_senders": "20"}),
        "and 11 may be needed",
        WARNING,
    ),
    "role missing": (
        server(roles={name: each for name, each in SERVER.roles.items() if name != "order_app"}),
        "the role is not there",
        ALARM,
    ),
    "superuser": (role("order_app", is_superuser=True), "has SUPERUSER", ALARM),
    "may make roles": (role("order_app", may_make_roles=True), "has CREATEROLE", ALARM),
    "app replicates": (role("order_app", may_replicate=True), "has REPLICATION", ALARM),
    "relay does not": (role("order_relay", may_replicate=False), "lacks REPLICATION", ALARM),
    "member": (role("auditor", groups=frozenset({"pg_write_all_data"})), "member of pg_write", ALARM),
    "stranger replicates": (
        server(roles={**SERVER.roles, "spy": Role(may_replicate=True)}),
        "not ours may replicate",
        WARNING,
    ),
    "commits of a role": (override("order_app", None, "synchronous_commit", "off"), "is set to off", ALARM),
    "commits of a database": (
        override(None, "payments", "synchronous_commit", "off"),
        "synchronous_commit is set to off",
        ALARM,
    ),
    "another setting": (override("order_app", "orders", "work_mem", "1GB"), "work_mem", WARNING),
    "app updates": (granted("order_app", "UPDATE", "outbox"), "UPDATE on outbox", ALARM),
    "app deletes a day": (
        granted("order_app", "DELETE", "outbox_p20260301"),
        "DELETE on outbox_p20260301",
        ALARM,
    ),
    "relay writes": (granted("order_relay", "INSERT", "outbox"), "order_relay has INSERT", ALARM),
    "relay reads": (granted("order_relay", "SELECT", "orders"), "order_relay has SELECT on orders", WARNING),
    "auditor writes": (granted("auditor", "UPDATE", "inbox"), "auditor has UPDATE on inbox", ALARM),
    "one column": (granted("order_app", "UPDATE", "outbox", "topic"), "UPDATE (topic) on outbox", ALARM),
    "DDL": (granted("order_app", "CREATE", "SCHEMA"), "CREATE on schema public", ALARM),
    "everybody": (granted("PUBLIC", "EXECUTE", "drop_partition"), "PUBLIC has EXECUTE", WARNING),
    "app cannot write": (revoked("order_app", "INSERT", "outbox"), "order_app lacks INSERT on outbox", ALARM),
    "auditor is blind": (revoked("auditor", "SELECT", "orders"), "auditor lacks SELECT on orders", ALARM),
    "owner": (database(owned={"outbox": "order_app"}), "outbox belongs to order_app", ALARM),
    "no publication": (database(publication=None), "order_outbox is not there", ALARM),
    "published besides": (
        published(tables=histories.publication("order").tables | {"orders"}),
        "holds orders besides",
        ALARM,
    ),
    "updates published": (published(kinds=frozenset({"insert", "update"})), "sends insert, update", ALARM),
    "by days": (published(is_by_root=False), "tells days", ALARM),
    "filtered": (published(narrowed=frozenset({"outbox"})), "leaves out rows or columns", ALARM),
    "trigger": (odd("outbox", "trigger", "mine"), "outbox: trigger mine", ALARM),
    "rule": (odd("outbox", "rule", "mine"), "outbox: rule mine", ALARM),
    "identity": (odd("outbox", "replica identity", "f"), "replica identity f", ALARM),
    "unlogged": (odd("outbox_p20260301", "unlogged", "outbox_p20260301"), "unlogged", ALARM),
    "no tomorrow": (
        database(days={"outbox": DAYS - {TODAY + timedelta(1)}, "inbox": DAYS}),
        "outbox has no place for rows of 2026-03-02",
        ALARM,
    ),
    "few days": (
        database(days={"outbox": DAYS, "inbox": frozenset(sorted(DAYS)[:6])}),
        "inbox has no place for rows of 2026-03-06",
        WARNING,
    ),
    "pending migration": (
        {"revisions": {**FACTS.revisions, "order": histories.revisions("order")[0]}},
        "stands at revision 0001",
        ALARM,
    ),
    "never migrated": ({"revisions": {**FACTS.revisions, "audit": ""}}, "revision none", ALARM),
    "newer tables": ({"revisions": {**FACTS.revisions, "order": "9999"}}, "it is newer", ALARM),
    "a broker is away": (
        cluster(brokers={1: BROKER, 2: BROKER}) | {"clocks": {1: 0.0, 2: 0.0}},
        "2 brokers are there",
        ALARM,
    ),
    "topics of themselves": (broker("auto.create.topics.enable", "true"), "is true, not false", ALARM),
    "unclean": (broker("unclean.leader.election.enable", "true"), "unclean", ALARM),
    "min ISR": (broker("min.insync.replicas", "1"), "min.insync.replicas is 1, not 2", ALARM),
    "transactions kept once": (broker("transaction.state.log.min.isr", "1"), "min.isr is 1", ALARM),
    "places kept once": (broker("offsets.topic.replication.factor", "1"), "factor is 1", ALARM),
    "old transactions": (cluster(features={"transaction.version": 1}), "transaction.version is 1", ALARM),
    "no transactions": (
        cluster(internal={"__consumer_offsets": INTERNAL}),
        "own topic is not there",
        ALARM,
    ),
    "internal min ISR": (internal("min.insync.replicas", "1"), "min.insync.replicas is 1", ALARM),
    "internal replicas": (partition(replicas=1), "1 replicas instead of 3", ALARM),
    "lagging": (partition(in_sync=2), "1 partitions have replicas that lag", WARNING),
    "closed": (partition(in_sync=1), "1 partitions are kept by one broker", ALARM),
    "offline": (partition(leader=None, in_sync=3), "1 partitions have no leader", ALARM),
    "group gone": (group("DEAD"), "it has no member", ALARM),
    "group empty": (group("EMPTY"), "it has no member", ALARM),
    "group moves": (group("PREPARING_REBALANCING"), "does not settle", WARNING),
    "unread": (group("STABLE", *READ_BY_PAYMENT[1:]), "1 partitions are nobody's", ALARM),
    "read twice": (group("STABLE", READ_BY_PAYMENT[0], *READ_BY_PAYMENT), "have two members", WARNING),
    "hanging": (
        cluster(transactions=replace(CLUSTER.transactions, open_too_long=frozenset({"a-0"}))),
        "a-0 is open for longer",
        ALARM,
    ),
    "no transactional id": (
        cluster(transactions=Transactions(CLUSTER.transactions.known - {"neverlost-connect-order-outbox-0"})),
        "knows no transaction neverlost-connect-order-outbox-0",
        ALARM,
    ),
    "not exactly once": (
        worker(refusals={ORDER.connector: {"exactly.once.support": ("This worker does not",)}}),
        "exactly.once.support: This worker does not",
        ALARM,
    ),
    "cannot take over": (
        worker(refusals={ORDER.connector: {"database.password": ("wrong",)}}),
        "refuses order-outbox: database.password",
        WARNING,
    ),
    "what connect doctor finds": ({"relays": relay_facts(moves=False)}, "wedged", ALARM),
    "lossy Debezium": (
        worker(plugins={"neverlost.OutboxConnector": "3.6.3.Final"}),
        "its version is 3.6.3.Final",
        ALARM,
    ),
    "newer Debezium": (
        worker(plugins={"neverlost.OutboxConnector": "3.8.0.Final"}),
        "its version is 3.8.0.Final",
        WARNING,
    ),
    "old brokers": (
        cluster(brokers={**CLUSTER.brokers, 1: replace(BROKER, version=(4, 0))}),
        "its version is 4.0",
        ALARM,
    ),
    "old Java": (program(java_major=11), "runs on Java 11", ALARM),
    "other jars": (program(jars=JARS["broker"] | {"kafka-server-4.2.0.jar"}), "kafka-server-4.2.0", WARNING),
    "old client": (machine(packages={"kafka-python": "3.0.8"}), "its version is 3.0.8", ALARM),
    "new client": (machine(packages={"kafka-python": "3.1.0"}), "its version is 3.1.0", WARNING),
    "disk": (machine(free_mb={"/state": 100}), "only 100 MB are free", ALARM),
    "no room for WAL": (machine(free_mb={"/state": 4000}), "may hold back 4096 MB", WARNING),
    "the database's clock": (server(clock_ahead=2.5), "2.5 s before", WARNING),
    "a broker's clock": ({"clocks": {1: 0.0, 2: -3.0, 3: 0.0}}, "3.0 s behind", WARNING),
}


def test_all_is_well():
    report = examine(FACTS, WANTED)

    assert (report.findings, report.unseen, report.exit_code) == ((), (), 0)
    assert report.seen["Debezium"] == DEBEZIUM


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found_alone_with_a_reason_and_a_remedy(name):
    changes, told, severity = CASES[name]

    report = examine(replace(FACTS, **changes), WANTED)

    [finding] = report.findings
    assert told in finding.what
    assert finding.severity == severity
    assert finding.why
    assert finding.remedy.split()[0] in {"./run", "psql", "df", "git", "timedatectl"} or (
        finding.remedy.startswith("kafka-")
    )
    assert report.exit_code == 1


SILENCE = Silence("somebody", "does not answer")


@pytest.mark.parametrize(
    "silent",
    [
        {"relays": SILENCE},
        {"server": SILENCE},
        {"databases": {**DATABASES, "order": SILENCE}},
        {"revisions": {**FACTS.revisions, "audit": SILENCE}},
        {"cluster": SILENCE},
        cluster(brokers={**CLUSTER.brokers, 2: SILENCE}),
        cluster(transactions=SILENCE),
        {"clocks": SILENCE},
        {"workers": {"http://a": SILENCE, "http://b": WORKER}},
        machine(silences=(SILENCE,)),
    ],
    ids=lambda silent: next(iter(silent)),
)
def test_what_could_not_be_looked_at_is_told_and_is_not_well(silent):
    report = examine(replace(FACTS, **silent), WANTED)

    assert (report.findings, report.unseen, report.exit_code) == ((), (SILENCE,), 2)


def test_a_broker_whose_time_nobody_told_is_not_taken_for_one_that_is_right():
    report = examine(replace(FACTS, clocks={1: 0.0, 2: 0.0}), WANTED)

    assert [silence.source for silence in report.unseen] == ["the clock of broker 3"]
    assert report.exit_code == 2


def test_findings_count_more_than_what_was_not_seen():
    report = examine(replace(FACTS, clocks=SILENCE, **setting("fsync", "off")), WANTED)

    assert report.exit_code == 1


def test_alarms_come_first():
    changes = machine(free_mb={"/state": 4000}) | setting("fsync", "off")

    report = examine(replace(FACTS, **changes), WANTED)

    assert [finding.severity for finding in report.findings] == [ALARM, WARNING]


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("STATIC_BROKER_CONFIG", "./run down; ./run up"),
        ("DYNAMIC_BROKER_CONFIG", "--entity-name 2 --delete-config min.insync.replicas"),
        ("DYNAMIC_DEFAULT_BROKER_CONFIG", "--entity-default --add-config min.insync.replicas=2"),
    ],
)
def test_a_setting_is_put_right_where_it_was_made(source, remedy):
    name = "min.insync.replicas"
    odd_one = replace(BROKER, settings={**BROKER.settings, name: "1"}, sources={name: source})

    report = examine(replace(FACTS, **cluster(brokers={**CLUSTER.brokers, 2: odd_one})), WANTED)

    assert report.findings[0].remedy.endswith(remedy)


@pytest.mark.parametrize(
    ("name", "kind"), [("outbox", "TABLE"), ("make_partitions(integer)", "FUNCTION"), ("ids_seq", "TABLE")]
)
def test_what_belongs_to_another_is_given_back_as_what_it_is(name, kind):
    report = examine(replace(FACTS, **database(owned={name: "order_app"})), WANTED)

    assert report.findings[0].remedy == f"psql -d orders -c 'ALTER {kind} {name} OWNER TO order_migrator'"


@pytest.mark.parametrize(
    ("role", "database", "whose"),
    [
        ("order_app", None, "ROLE order_app"),
        ("order_app", "orders", "ROLE order_app IN DATABASE orders"),
        (None, "orders", "DATABASE orders"),
        (None, None, "ROLE ALL"),
    ],
)
def test_an_override_is_taken_back_where_it_was_made(role, database, whose):
    report = examine(replace(FACTS, **override(role, database, "work_mem", "1GB")), WANTED)

    assert report.findings[0].remedy == f"psql -c 'ALTER {whose} RESET work_mem'"


def test_what_is_examined_is_what_the_stack_sets():
    assert postgres.WHY.keys() <= WANTED.postgres.keys()
    assert kafka.WHY.keys() <= WANTED.brokers.keys()


def test_rights_are_those_of_the_migrations():
    order = histories.grants(ORDER)

    assert Grant("order_app", "INSERT", "outbox") in order
    assert Grant("order_app", "SELECT", "outbox", "id") in order
    assert Grant("order_retention", "EXECUTE", "drop_partition") in order
    assert Grant("auditor", "SELECT", histories.EVERY_TABLE) in order
    assert not {each for each in order if each.privilege in {"UPDATE", "DELETE"} and each.object == "outbox"}


def test_groups_are_asked_for_all_that_services_read():
    for service in SERVICES:
        topics = {topic for topic, _ in kafka.read_places(service)}

        assert topics == {*read_by(service.name), *watched_by(service.name)}


def test_where_nothing_runs_there_is_nothing_to_look_at(tmp_path):
    with pytest.raises(NotReady):
        doctor_command.main(["--state", str(tmp_path)], standalone_mode=False)

    assert NotReady.exit_code == 3
